"""The image's bootstrap script against Airflow's database models."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from airflow.models.variable import Variable
from airflow.utils.session import create_session
from sqlalchemy import select

SCRIPT = Path(__file__).parents[2] / "images" / "airflow" / "bin" / "bootstrap.py"
pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def secret(tmp_path):
    def written(key, text):
        file = tmp_path / "given" / key
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        return {"file": str(file)}

    return written


def connection(name):
    with create_session() as session:
        found = session.scalar(select(Connection).where(Connection.conn_id == name))
        session.expunge(found)
        return found


def test_what_is_declared_is_set_and_set_again(bootstrap, secret):
    password = secret("lake", "p@ss:w/rd%\n")
    declared = {
        "connections": {"lake": {"type": "http", "host": "a.example", "password": password}},
        "variables": {"plain": "text", "map": {"a": {"b": 1}}},
        "pools": {"few": {"slots": 2, "description": "few", "includeDeferred": True}},
    }
    assert bootstrap.apply(declared) == []
    assert connection("lake").password == "p@ss:w/rd%"
    assert Variable.get("plain") == "text"
    assert json.loads(Variable.get("map")) == {"a": {"b": 1}}

    # By hand; the declaration is the truth of every field that it could name.
    declared["connections"]["lake"] = {"type": "http", "port": 8443, "password": password}
    declared["pools"]["few"]["slots"] = 3
    Variable.set("plain", "by hand")
    assert bootstrap.apply(declared) == []
    changed = connection("lake")
    assert (changed.host, changed.port) == (None, 8443)
    assert Variable.get("plain") == "text"
    with create_session() as session:
        pool = session.scalar(select(Pool).where(Pool.pool == "few"))
        assert (pool.slots, pool.include_deferred) == (3, True)


def test_an_address_is_taken_apart(bootstrap, secret):
    uri = secret("uri", "postgres://u:p%40ss@db.example:5433/name?sslmode=require")
    assert bootstrap.apply({"connections": {"warehouse": {"uri": uri}}}) == []
    found = connection("warehouse")
    assert (found.login, found.password, found.port) == ("u", "p@ss", 5433)
    assert found.extra_dejson == {"sslmode": "require"}


def test_what_cannot_be_set_is_named_without_its_secret_and_stops_nothing(bootstrap, secret):
    failed = bootstrap.apply(
        {
            "connections": {
                "gone": {"type": "http", "password": {"file": "/nowhere/given/key"}},
                "bad": {"uri": secret("bad", "postgres://u:geheim@h:port/x")},
            },
            "variables": {"later": "set"},
        }
    )
    assert failed == [
        "connection gone: Secret given has no key key: add it, or name another",
        "connection bad: not a connection (ValueError): see its fields",
    ]
    assert Variable.get("later") == "set"


USERS = """
import json, sys
from airflow.utils import db
db.initdb()
import bootstrap
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from werkzeug.security import check_password_hash
declared, seen = json.loads(sys.argv[1]), []
for users in declared:
    failed = bootstrap.apply({"users": users})
    with get_application_builder() as builder:
        found = builder.sm.find_user(username="ada")
        words = [w for w in ("first", "second") if check_password_hash(found.password, w)]
        seen.append([[role.name for role in found.roles], words, failed])
print(json.dumps(seen))
"""


JANITOR = """
import json
from airflow.utils import db
db.initdb()
import migrate
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from werkzeug.security import check_password_hash
seen = []
for password in ("first", "second"):
    migrate.create_janitor(username="sweeper", password=password)
    with get_application_builder() as builder:
        found = builder.sm.find_user(username="sweeper")
        (role,) = found.roles
        may = sorted(f"{p.action.name} {p.resource.name}" for p in role.permissions)
        seen.append([role.name, may, check_password_hash(found.password, password)])
print(json.dumps(seen))
"""


def test_the_janitors_user_may_read_tasks_and_follows_its_secret(tmp_path):
    reads = ["can_read DAG Runs", "can_read DAGs", "can_read Task Instances"]
    # Airflow itself lets everybody who may read anything open the site.
    reads.append("can_read Website")
    assert in_own_process(tmp_path, JANITOR) == [["Janitor", reads, True]] * 2


QUICKER = """
import json, sys
import migrate
from sqlalchemy.exc import IntegrityError
beaten, tries = int(sys.argv[1]), []
def step():
    tries.append(1)
    if len(tries) <= beaten:
        raise IntegrityError("INSERT", {}, Exception("already exists"))
try:
    migrate.despite_others(step)
    print(json.dumps([len(tries), True]))
except IntegrityError:
    print(json.dumps([len(tries), False]))
"""


@pytest.mark.parametrize(("beaten", "expected"), [(0, [1, True]), (2, [3, True]), (9, [5, False])])
def test_a_step_that_another_process_was_quicker_with_is_taken_again(tmp_path, beaten, expected):
    assert in_own_process(tmp_path, QUICKER, str(beaten)) == expected


def in_own_process(tmp_path, text, *arguments):
    """Run a script with the FAB login and a database of its own; return what it printed last.

    Which login is used is settled at the first import.
    """
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "PYTHONPATH": str(SCRIPT.parent),
    }
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_users_follow_their_secret_and_role(secret, tmp_path):
    ada = {"role": "Op", "email": "ada@example.com", "password": secret("ada", "first")}
    later = {"role": "Viewer", "email": "ada@example.com", "password": secret("new", "second")}
    declared = [{"ada": ada}, {"ada": later}, {"ada": later, "bob": later | {"role": "Boss"}}]
    first, second, third = in_own_process(tmp_path, USERS, json.dumps(declared))
    assert first == [["Op"], ["first"], []]
    assert second == [["Viewer"], ["second"], []]
    assert third[2][0].startswith("user bob: role 'Boss' is none of Admin, ")
