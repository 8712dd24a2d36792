"""Remove old rows from the metadata database, and the archive tables that this leaves behind.

    clean_database.py --retention-days 90 [--drop-archives]

`airflow db clean` copies what it deletes into archive tables, which nothing ever drops: without
--drop-archives the database does not shrink, but `airflow db export-archived` can save them.
"""

# ruff: noqa: INP001  a script of the image, not a package

from __future__ import annotations

import argparse
import datetime as dt
import sys


def main() -> int:
    """Clean, drop archives if asked, return the exit code."""
    parser = argparse.ArgumentParser(description="Clean the metadata database.")
    parser.add_argument("--retention-days", type=int, required=True)
    parser.add_argument("--drop-archives", action="store_true")
    options = parser.parse_args()
    # Imported late: wrong arguments must not cost Airflow's start.
    from airflow.utils import db_cleanup  # noqa: PLC0415

    keep = dt.timedelta(days=options.retention_days)
    db_cleanup.run_cleanup(
        clean_before_timestamp=dt.datetime.now(tz=dt.UTC) - keep,
        confirm=False,
        error_on_cleanup_failure=True,
    )
    if options.drop_archives:
        db_cleanup.drop_archived_tables(None, needs_confirm=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
