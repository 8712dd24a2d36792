"""Store the schema revisions that the installed Airflow expects, while the image is built.

One entry per version table: Airflow's own, and one for every provider that keeps tables in the
metadata database (FAB). Needs no database. A private name that moves in a later Airflow breaks
the build here, not a pod later.
"""

# ruff: noqa: INP001  a script of the image, not a package

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow._shared.module_loading import import_string
from airflow.providers_manager import ProvidersManager
from airflow.utils.db import _get_script_object


def schema_heads() -> dict[str, list[str]]:
    """Return version table -> revisions, sorted."""
    heads = {"alembic_version": sorted(_get_script_object().get_heads())}
    for path in ProvidersManager().db_managers:
        manager = import_string(path)(session=None)
        heads[manager.version_table_name] = sorted(manager.get_script_object().get_heads())
    return heads


def main() -> None:
    """Write the file beside the interpreter that will read it."""
    file = Path(sys.prefix, "share", "schema_heads.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(schema_heads(), indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
