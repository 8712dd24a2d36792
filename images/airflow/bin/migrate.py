"""Bring the metadata database to this image's schema and create the first user.

One process for what would be three Airflow commands, 3 to 7 seconds each. Waits for the database
first. Every step may be repeated: a schema that is up to date and a user that exists are left as
they are, the user's password included.

    TRADEWIND_ADMIN_USERNAME, TRADEWIND_ADMIN_PASSWORD   the first user; unset: none is created
"""

# ruff: noqa: INP001, T201  a script of the image, not a package; its output is its log

from __future__ import annotations

import argparse
import os
import sys

import metadata_db


def airflow(*arguments: str) -> None:
    """Run an Airflow command in this process, so that its arguments show in no process list."""
    # Imported late: waiting for the database must not cost Airflow's start.
    from airflow.cli import cli_parser  # noqa: PLC0415

    options = cli_parser.get_parser().parse_args(arguments)
    options.func(options)


def create_first_user(*, username: str, password: str) -> None:
    """Create an administrator who can log in with this password."""
    person = ("--firstname=First", "--lastname=Administrator", f"--email={username}@localhost")
    # One word each, or a password that begins with a dash would be read as an option.
    airflow(
        *("users", "create", "--role=Admin"),
        *person,
        f"--username={username}",
        f"--password={password}",
    )


def main() -> int:
    """Wait, migrate, create the user; return the exit code."""
    parser = argparse.ArgumentParser(description="Migrate the metadata database.")
    parser.add_argument("--timeout-seconds", type=float, default=300.0)
    timeout_s = parser.parse_args().timeout_seconds
    if not metadata_db.wait_until(
        metadata_db.missing_connection, what="the database", timeout_s=timeout_s
    ):
        return 1
    airflow("db", "migrate")
    if missing := metadata_db.missing_migrations():
        print(f"migrated, but {missing}: build the image again", file=sys.stderr)
        return 1
    if username := os.environ.get("TRADEWIND_ADMIN_USERNAME"):
        create_first_user(username=username, password=os.environ["TRADEWIND_ADMIN_PASSWORD"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
