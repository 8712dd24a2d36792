"""Bring the metadata database to this image's schema and create the first users.

One process for what would be several Airflow commands, 3 to 7 seconds each. Waits for the database
first. Every step may be repeated: a schema that is up to date and a user that exists are left as
they are, the user's password included. The janitor's password follows its Secret.

    TRADEWIND_ADMIN_USERNAME, TRADEWIND_ADMIN_PASSWORD       the first user; unset: none is created
    TRADEWIND_JANITOR_USERNAME, TRADEWIND_JANITOR_PASSWORD   as whom the janitor asks; the same
"""

# ruff: noqa: INP001, T201  a script of the image, not a package; its output is its log

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial

import metadata_db

JANITOR_ROLE = "Janitor"
JANITOR_READS = ("DAGs", "DAG Runs", "Task Instances")
TRIES = 5


def airflow(*arguments: str) -> None:
    """Run an Airflow command in this process, so that its arguments show in no process list."""
    # Imported late: waiting for the database must not cost Airflow's start.
    from airflow.cli import cli_parser  # noqa: PLC0415

    options = cli_parser.get_parser().parse_args(arguments)
    options.func(options)


def despite_others(step: Callable[[], None]) -> None:
    """Take a step that may be repeated, again where another process wrote the same rows first.

    An API server that starts meanwhile writes the same roles and permissions as a first login here.
    """
    from sqlalchemy.exc import IntegrityError  # noqa: PLC0415 - see above

    for left in reversed(range(TRIES)):
        try:
            step()
        except IntegrityError as error:
            if not left:
                raise
            print(f"another process was quicker, once more: {error.orig}", file=sys.stderr)
        else:
            return


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


def create_janitor(*, username: str, password: str) -> None:
    """Create a user who may read task instances and nothing else, or give it this password."""
    import bootstrap  # noqa: PLC0415 - reads Airflow's configuration
    from airflow.providers.fab.auth_manager.cli_commands.utils import (  # noqa: PLC0415
        get_application_builder,
    )

    with get_application_builder() as builder:
        manager = builder.sm
        role = manager.add_role(JANITOR_ROLE)
        for resource in JANITOR_READS:
            manager.add_permission_to_role(role, manager.create_permission("can_read", resource))
    bootstrap.set_user(username, {"role": JANITOR_ROLE, "password": password})


def main() -> int:
    """Wait, migrate, create the users; return the exit code."""
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
        password = os.environ["TRADEWIND_ADMIN_PASSWORD"]
        despite_others(partial(create_first_user, username=username, password=password))
    if username := os.environ.get("TRADEWIND_JANITOR_USERNAME"):
        password = os.environ["TRADEWIND_JANITOR_PASSWORD"]
        despite_others(partial(create_janitor, username=username, password=password))
    return 0


if __name__ == "__main__":
    sys.exit(main())
