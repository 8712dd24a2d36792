"""A real `airflow api-server`: the endpoint, loaded as in production, and what the janitor asks."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from airflow_stub import AirflowStub
from serving_airflow import Airflow

from tradewind.client.files import FollowedFile
from tradewind.janitor.airflow_api import AirflowApi, EvidenceError, Login
from tradewind.testing.builders import a_task

REFRESHED = "_token"
"""Airflow's middleware takes back a cookie of this name that is no token, in any answer."""


@pytest.fixture(scope="module")
def airflow(api_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("airflow")
    with Airflow(folder, api_server, namespace="default") as serving:
        yield serving


def ask(airflow, path, *, body=None):
    """Return status and cookies of an answer to somebody with a worthless cookie."""
    request = urllib.request.Request(
        f"{airflow.url}/tradewind/v1/{path}", data=body, headers={"Cookie": f"{REFRESHED}=worn"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers.get_all("Set-Cookie", [])
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_all("Set-Cookie", [])


def test_requests_of_waiting_pods_pass_no_middleware_of_airflows(airflow):
    status, cookies = ask(airflow, "health")
    assert status == 200
    assert any(cookie.startswith(f"{REFRESHED}=") for cookie in cookies), "as all others do"
    assert ask(airflow, "board", body=b"{}") == (401, [])


@pytest.fixture(scope="module")
def password(airflow):
    path = airflow.folder / "password"
    path.write_text("geheim")
    return path


@pytest.fixture(scope="module")
def shown(airflow, password):
    """Return the tries of two DAGs of one run id, by the ids of their rows; a user may see them."""
    script = Path(__file__).parent / "rows_of_another.py"
    done = subprocess.run(
        [sys.executable, script, "show", "janitor", password.read_text()],
        env=airflow.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = json.loads(done.stdout.splitlines()[-1])
    return {row["id"]: a_task(dag_id=row["dag_id"], task_id="work") for row in rows}


async def answers(url, *, password, shown):
    """Return what an Airflow says to all that the janitor asks."""
    one, other = shown.values()
    strangers = [replace(one, run_id="r2"), replace(one, task_id="t2"), replace(one, map_index=3)]
    api = AirflowApi(
        url,
        login=Login(username="janitor", password=FollowedFile(password, what="password")),
        timeout_s=60.0,
    )

    async def about(task):
        try:
            return await api.row(task)
        except EvidenceError as error:
            return error.kind, error.about_one

    try:
        many = [[one], [one, other], [one, *strangers], strangers[:1]]
        each = [one, other, *strangers, replace(one, dag_id="d2")]
        return [await api.rows(asked) for asked in many] + [await about(task) for task in each]
    finally:
        await api.close()


async def test_the_janitors_airflow_of_other_tests_answers_as_the_real_one_does(
    airflow, password, shown
):
    stub = AirflowStub()
    for row_id, task in shown.items():
        stub.tell(task.task_id, "queued", row_id=row_id, dag_id=task.dag_id, run_id=task.run_id)
    await stub.server.start_server()
    try:
        expected = await answers(airflow.url, password=password, shown=shown)
        assert await answers(stub.url, password=password, shown=shown) == expected
    finally:
        await stub.server.close()
    found = [row for told in expected[:2] for row in told.values()]
    assert {row.id for row in found} == set(shown)
    assert expected[-4:] == [None, None, None, None]
