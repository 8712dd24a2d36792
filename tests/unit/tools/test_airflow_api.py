from datetime import datetime

import httpx
import pytest

from tradewind_tools import airflow_api
from tradewind_tools.airflow_api import Airflow, Credentials
from tradewind_tools.errors import ToolError, WorkFailedError

NOW = "Thu, 01 Jan 2026 00:10:00 GMT"
USER = Credentials(username="admin", password="secret")


class FakeAirflow:
    """Answers like Airflow: tokens that can run out, DAGs, runs, pages of at most `page`."""

    def __init__(self, *, dags=("tutorial",), page=100, newest="2026-01-01T00:00:00Z"):
        self.dags = list(dags)
        self.page = page
        self.newest = newest
        self.logins = 0
        self.requests = []
        self.raw_paths = []
        self.runs = []
        self.bodies = []
        self.failures = []
        """Answers, or exceptions, to give before any other."""

    def __call__(self, request):
        self.requests.append(f"{request.method} {request.url.path}")
        self.raw_paths.append(request.url.raw_path)
        if request.url.path == "/auth/token":
            self.logins += 1
            return httpx.Response(201, json={"access_token": f"token-{self.logins}"})
        if request.headers["authorization"] != f"Bearer token-{self.logins}":
            return httpx.Response(403, json={"detail": "Invalid JWT token"})
        if self.failures:
            failure = self.failures.pop(0)
            if isinstance(failure, Exception):
                raise failure
            return failure
        return self.answer(request, request.url.path.removeprefix("/api/v2/"))

    def answer(self, request, path):
        if path == "version":
            return httpx.Response(200, json={}, headers={"date": NOW})
        if path == "dags/~/dagVersions":
            versions = [{"created_at": self.newest}] if self.dags else []
            return httpx.Response(200, json={"dag_versions": versions, "total_entries": 1})
        if path == "importErrors":
            return httpx.Response(200, json={"import_errors": [], "total_entries": 0})
        if path == "dags":
            begin = int(request.url.params["offset"])
            found = [{"dag_id": name} for name in self.dags[begin : begin + self.page]]
            return httpx.Response(200, json={"dags": found, "total_entries": len(self.dags)})
        if request.method == "POST":
            return self.create_run(request)
        known = path.removeprefix("dags/") in self.dags
        body = {"dag_id": path} if known else {"detail": "not found"}
        return httpx.Response(200 if known else 404, json=body)

    def create_run(self, request):
        body = httpx.Response(200, content=request.content).json()
        if body["dag_run_id"] in self.runs:
            return httpx.Response(409, json={"detail": {"reason": "Unique constraint violation"}})
        self.runs.append(body["dag_run_id"])
        self.bodies.append(body)
        return httpx.Response(200, json=body)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(airflow_api.time, "sleep", lambda _: None)


def a_client(fake, *, url=lambda: "http://airflow"):
    return Airflow(url, user=USER, http=httpx.Client(transport=httpx.MockTransport(fake)))


def test_logs_in_once_for_many_requests():
    fake = FakeAirflow()
    client = a_client(fake)
    client.dags()
    client.dags()
    assert fake.logins == 1


def test_logs_in_again_when_the_token_ran_out():
    fake = FakeAirflow()
    client = a_client(fake)
    client.dags()
    fake.logins += 1
    assert [dag["dag_id"] for dag in client.dags()] == ["tutorial"]


@pytest.mark.parametrize(
    ("status", "detail", "expected"),
    [
        pytest.param(401, "Not authenticated", True, id="no-token"),
        pytest.param(403, "Invalid JWT token", True, id="key-changed"),
        pytest.param(403, "Forbidden", False, id="no-right"),
        pytest.param(404, "Invalid JWT token", False, id="other"),
    ],
)
def test_which_answers_ask_for_a_new_login(status, detail, expected):
    answer = httpx.Response(status, json={"detail": detail})
    assert airflow_api.token_is_refused(answer) is expected


def test_a_token_refused_right_after_login_is_an_error_and_no_endless_loop():
    fake = FakeAirflow()
    fake.failures = [httpx.Response(401, json={"detail": "no"}) for _ in range(9)]
    with pytest.raises(WorkFailedError, match="401 no"):
        a_client(fake).dags()
    assert fake.logins == 2


def test_a_wrong_password_is_one_sentence():
    def refuse(_):
        return httpx.Response(401, json={"detail": "Invalid credentials"})

    with pytest.raises(WorkFailedError, match="refused the login of 'admin': Invalid credentials"):
        a_client(refuse).dags()


def test_reads_all_pages_even_when_the_server_cuts_them():
    names = [f"dag-{number}" for number in range(7)]
    found = a_client(FakeAirflow(dags=names, page=3)).dags()
    assert [dag["dag_id"] for dag in found] == names


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(httpx.ConnectError("gone"), id="connection"),
        pytest.param(httpx.Response(503, text="starting"), id="server-error"),
    ],
)
def test_repeats_while_airflow_apiarts(failure):
    fake = FakeAirflow()
    fake.failures = [failure]
    assert a_client(fake).dags()


def test_asks_for_the_address_before_every_request():
    fake, ports = FakeAirflow(), iter(range(100))
    client = a_client(fake, url=lambda: f"http://airflow:{next(ports)}")
    client.dags()
    client.dags()
    assert next(ports) == 3


def test_gives_up_after_the_time_limit(monkeypatch):
    seconds = iter(range(0, 10_000, 20))
    monkeypatch.setattr(airflow_api.time, "monotonic", lambda: next(seconds))
    fake = FakeAirflow()
    fake.failures = [httpx.ConnectError("gone") for _ in range(99)]
    with pytest.raises(WorkFailedError, match=r"does not answer.*gone"):
        a_client(fake).dags()


def test_a_trigger_whose_answer_was_lost_makes_one_run():
    class LosesAnswers(FakeAirflow):
        def create_run(self, request):
            answer = super().create_run(request)
            if len(self.runs) == 1 and answer.status_code == 200:
                raise httpx.ReadError("lost")
            return answer

    fake = LosesAnswers()
    run_id = a_client(fake).trigger("tutorial", conf={})
    assert fake.runs == [run_id]


def test_a_run_has_conf_and_a_logical_date_for_templates():
    fake = FakeAirflow()
    a_client(fake).trigger("tutorial", conf={"key": 1})
    assert fake.bodies[0]["conf"] == {"key": 1}
    assert datetime.fromisoformat(fake.bodies[0]["logical_date"]).tzinfo


def test_a_chosen_run_id_that_exists_is_refused():
    fake = FakeAirflow()
    fake.runs = ["mine"]
    with pytest.raises(WorkFailedError, match="409 Unique constraint violation"):
        a_client(fake).trigger("tutorial", conf={}, run_id="mine")


def test_ids_are_quoted_in_addresses():
    fake = FakeAirflow()
    with pytest.raises(WorkFailedError):
        a_client(fake).run("a/b c", "2026-01-01T00:00:00+00:00")
    expected = b"/api/v2/dags/a%2Fb%20c/dagRuns/2026-01-01T00%3A00%3A00%2B00%3A00"
    assert fake.raw_paths[-1] == expected


def test_finds_a_dag():
    assert a_client(FakeAirflow()).find_dag("tutorial")


def test_waits_for_a_dag_while_new_ones_still_come():
    class ParsesSlowly(FakeAirflow):
        def answer(self, request, path):
            if path == "dags":
                self.dags.append("tutorial")
            return super().answer(request, path)

    fake = ParsesSlowly(dags=["first"], newest="2026-01-01T00:09:50Z")
    assert a_client(fake).find_dag("tutorial")


def test_an_unknown_dag_of_a_settled_release_is_refused_at_once():
    fake = FakeAirflow(dags=["tutorial", "tutorial_dag"])
    with pytest.raises(
        ToolError, match=r"no DAG 'tutorail' among 2: did you mean tutorial"
    ) as info:
        a_client(fake).find_dag("tutorail")
    assert info.value.exit_code == 2
    assert fake.requests.count("GET /api/v2/dags") == 1


def test_waiting_for_a_dag_ends():
    fake = FakeAirflow(dags=[])
    with pytest.raises(ToolError, match="no DAG 'tutorial' among 0"):
        a_client(fake).find_dag("tutorial", timeout_s=-1)


def test_unknown_dag_names_files_that_do_not_parse():
    assert "do not parse: bad.py" in airflow_api.unknown_dag("x", known=[], broken=["bad.py"])


def test_run_ids_differ_and_are_legal_for_airflow():
    first, second = airflow_api.new_run_id(), airflow_api.new_run_id()
    assert first != second
    assert first.startswith("manual__")


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        pytest.param({"event": "hello"}, "hello", id="only-text"),
        pytest.param(
            {"timestamp": "T", "level": "info", "event": "hello", "logger": "x", "rows": 3},
            "T info hello rows=3",
            id="everything",
        ),
    ],
)
def test_log_events_become_lines(event, expected):
    assert airflow_api.log_line(event) == expected


def test_the_password_is_not_shown_by_accident():
    assert "secret" not in repr(USER)
