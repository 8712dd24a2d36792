"""The endpoint in a real `airflow api-server`, which loads the plugin as in production."""

import urllib.error
import urllib.request

import pytest
from serving_airflow import Airflow

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
