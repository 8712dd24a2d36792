"""Set the users, connections, variables and pools that a file declares, in one process.

What is declared is made to be so; what is not named is left alone. Every step may be repeated. The
file holds no Secrets, but the paths where they are mounted.

    bootstrap.py DECLARED.json    {"users": {…}, "connections": {…}, "variables": {…}, "pools": {…}}

A value is text, a number, or {"file": "/path"}, whose content counts without its last line break.
Exit code 0: all is set; 1: something is not, and the log says what; the rest was set all the same.
"""

# ruff: noqa: INP001, T201  a script of the image, not a package; its output is its log

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Declared = dict[str, Any]
FIELDS = {"type": "conn_type"}
"""Where a declared field of a connection has another name in Airflow."""


class DeclarationError(Exception):
    """Something declared cannot be set. The text names it and holds no secret."""


def resolved(value: Any) -> Any:
    """Return a declared value with every {"file": path} replaced by the file's content."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"file"}:
        path = Path(value["file"])
        if not path.is_file():
            raise DeclarationError(
                f"Secret {path.parent.name} has no key {path.name}: add it, or name another"
            )
        return path.read_text().removesuffix("\n")
    return {key: resolved(part) for key, part in value.items()}


@contextmanager
def database() -> Iterator[Any]:
    """Yield a session that is committed in the end."""
    from airflow.utils.session import create_session  # noqa: PLC0415 - reads the configuration

    with create_session() as session:
        yield session


def set_variable(name: str, value: Any) -> None:
    """Set a variable; maps and lists are stored as JSON."""
    from airflow.models.variable import Variable  # noqa: PLC0415

    with database() as session:
        text = json.dumps(value) if isinstance(value, dict | list) else str(value)
        Variable.set(name, text, session=session)


def set_pool(name: str, value: Declared) -> None:
    """Create a pool, or change it."""
    from airflow.models.pool import Pool  # noqa: PLC0415

    Pool.create_or_update_pool(
        name,
        slots=int(value["slots"]),
        description=str(value.get("description", "")),
        include_deferred=bool(value.get("includeDeferred", False)),
    )


def set_connection(name: str, value: Declared) -> None:
    """Create a connection, or make every field of it what is declared."""
    from airflow.exceptions import AirflowException  # noqa: PLC0415
    from airflow.models.connection import Connection  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    fields = {FIELDS.get(key, key): part for key, part in value.items()}
    extra = fields.get("extra")
    if isinstance(extra, dict):
        fields["extra"] = json.dumps(extra, sort_keys=True)
    try:
        wanted = Connection(conn_id=name, **fields)
    except (AirflowException, TypeError, ValueError) as error:
        # Its text may quote the address, password included.
        raise DeclarationError(
            f"not a connection ({type(error).__name__}): see its fields"
        ) from None
    with database() as session:
        found = session.scalar(select(Connection).where(Connection.conn_id == name))
        if found is None:
            session.add(wanted)
            return
        for field in ("conn_type", "host", "schema", "login", "port", "description"):
            setattr(found, field, getattr(wanted, field))
        found.set_password(wanted.password)
        found.set_extra(wanted.extra or "")


def set_user(name: str, value: Declared) -> None:
    """Create a user of the FAB login, or make role, address and password what is declared."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import (  # noqa: PLC0415
        get_application_builder,
    )
    from werkzeug.security import check_password_hash  # noqa: PLC0415

    with get_application_builder() as builder:
        manager = builder.sm
        role = manager.find_role(value.get("role", "Viewer"))
        if role is None:
            known = ", ".join(sorted(item.name for item in manager.get_all_roles()))
            raise DeclarationError(f"role {value.get('role')!r} is none of {known}")
        email = value.get("email", f"{name}@localhost")
        user = manager.find_user(username=name)
        if user is None:
            first, last = value.get("firstName", name), value.get("lastName", "-")
            made = manager.add_user(name, first, last, email, role, value["password"])
            if not made:
                raise DeclarationError(f"not created: is {email} the address of another user?")
            return
        if [item.name for item in user.roles] != [role.name] or user.email != email:
            user.roles, user.email = [role], email
            manager.update_user(user)
        if not check_password_hash(user.password, value["password"]):
            manager.reset_password(user.id, value["password"])


SETTERS: dict[str, Callable[[str, Any], None]] = {
    "pools": set_pool,
    "variables": set_variable,
    "connections": set_connection,
    "users": set_user,
}


def apply(declared: Declared) -> list[str]:
    """Set everything; return one sentence for each thing that could not be set."""
    failed = []
    for kind, setter in SETTERS.items():
        for name, value in (declared.get(kind) or {}).items():
            try:
                setter(name, resolved(value))
            except DeclarationError as error:
                failed.append(f"{kind[:-1]} {name}: {error}")
            else:
                print(f"{kind[:-1]} {name} is set", flush=True)
    return failed


def main() -> int:
    """Read the file, set everything, return the exit code."""
    failed = apply(json.loads(Path(sys.argv[1]).read_text()))
    for sentence in failed:
        print(sentence, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
