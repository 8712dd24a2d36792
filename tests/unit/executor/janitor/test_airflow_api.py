"""Only Airflow's own, well-formed word is evidence; everything else is a sentence."""

import asyncio
import contextlib
import datetime as dt
import re
import ssl

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pods_and_rows import a_try

from tradewind.client.files import FollowedFile
from tradewind.janitor.airflow_api import AirflowApi, EvidenceError, Login
from tradewind.janitor.evidence import Row

TASK = a_try()
ONE = "/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/{index}"
LIST = "/api/v2/dags/~/dagRuns/~/taskInstances/list"
NONE_SUCH = (
    "The Mapped Task Instance with dag_id: `etl`, run_id: `manual__1`, task_id: `load`, and "
    "map_index: `-1` was not found"
)


def instance(**changed):
    values = {
        "id": "row-1",
        "dag_id": "etl",
        "dag_run_id": "manual__1",
        "task_id": "load",
        "map_index": -1,
        "try_number": 1,
        "state": "running",
        "note": "fields we do not read",
    }
    return values | changed


class Airflow:
    """A server that answers as a test says, and remembers what it was asked."""

    def __init__(self):
        self.answers = {}
        self.token = "t1"
        self.logins = []
        self.asked = []
        app = web.Application()
        app.router.add_post("/auth/token", self._sign_in)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _sign_in(self, request):
        self.logins.append(await request.json())
        if "login" in self.answers:
            return self.answers["login"]()
        return web.json_response({"access_token": self.token}, status=201)

    async def _answer(self, request):
        self.asked.append((request.raw_path, await request.read()))
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"detail": "Not authenticated"}, status=401)
        return await self._said("list" if request.path == LIST else "one")

    async def _said(self, kind):
        answer = self.answers[kind]()
        return await answer if asyncio.iscoroutine(answer) else answer


@pytest.fixture
async def airflow():
    found = Airflow()
    await found.server.start_server()
    yield found
    await found.server.close()


@pytest.fixture
async def api(airflow, tmp_path):
    password = tmp_path / "password"
    password.write_text("geheim\n")
    login = Login(username="janitor", password=FollowedFile(password, what="the password"))
    url = str(airflow.server.make_url("/")).rstrip("/")
    made = AirflowApi(url, login=login, timeout_s=0.5)
    yield made
    await made.close()


def says(body, status=200):
    return lambda: web.json_response(body, status=status)


def page(text, status=200):
    return lambda: web.Response(text=text, status=status, content_type="text/html")


async def test_a_row_is_read(api, airflow):
    airflow.answers["one"] = says(instance())
    assert await api.row(TASK) == Row(id="row-1", try_number=1, state="running")
    assert airflow.logins == [{"username": "janitor", "password": "geheim"}]


async def test_a_cleared_task_has_no_state(api, airflow):
    airflow.answers["one"] = says(instance(state=None))
    assert (await api.row(TASK)).state is None


async def test_names_are_quoted(api, airflow):
    odd = a_try(run_id="manual__2026-01-01T00:00:00+00:00", task_id="group.ä")
    airflow.answers["one"] = says(instance(dag_run_id=odd.run_id, task_id=odd.task_id))
    assert await api.row(odd)
    assert airflow.asked[0][0].endswith(
        "/dagRuns/manual__2026-01-01T00%3A00%3A00%2B00%3A00/taskInstances/group.%C3%A4/-1"
    )


async def test_airflows_own_word_says_that_there_is_none(api, airflow):
    airflow.answers["one"] = says({"detail": NONE_SUCH}, 404)
    assert await api.row(TASK) is None


ODD = [
    pytest.param(says({"detail": "Not Found"}, 404), True, id="a wrong path"),
    pytest.param(says({"detail": NONE_SUCH.replace("etl", "x")}, 404), True, id="another task"),
    pytest.param(page("<title>404</title>", 404), True, id="a proxy's 404"),
    pytest.param(says(instance(task_id="other")), True, id="about another task"),
    pytest.param(says({"detail": "bad"}, 422), True, id="a refused question"),
    pytest.param(says({"detail": "Forbidden"}, 403), True, id="a DAG it may not read"),
    pytest.param(says({"detail": "oops"}, 500), False, id="500"),
    pytest.param(says({}, 502), False, id="502"),
    pytest.param(says({}, 429), False, id="429"),
    pytest.param(page("<html><title>Sign in</title>"), False, id="HTML with 200"),
    pytest.param(says([]), False, id="a list"),
    pytest.param(says({"id": "row-1"}), False, id="half a row"),
    pytest.param(says(instance(try_number="one")), False, id="no number"),
    pytest.param(lambda: web.Response(body=b"\xff\xfe\x00"), False, id="no text"),
    pytest.param(lambda: web.Response(body=b""), False, id="nothing"),
    pytest.param(
        lambda: web.Response(status=302, headers={"Location": "/login"}), False, id="a redirect"
    ),
]


@pytest.mark.parametrize(("answer", "about_one"), ODD)
async def test_anything_else_about_a_task_is_no_evidence(api, airflow, answer, about_one):
    airflow.answers["one"] = answer
    with pytest.raises(EvidenceError) as caught:
        await api.row(TASK)
    assert caught.value.about_one is about_one
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


async def test_a_list_gives_the_rows_that_were_asked_for(api, airflow):
    other = a_try(task_id="other")
    airflow.answers["list"] = says({"task_instances": [instance(), instance(task_id="third")]})
    assert set(await api.rows([TASK, other])) == {TASK}
    assert b'"dag_ids": ["etl"]' in airflow.asked[0][1]


async def test_a_long_list_is_read_in_pages_until_all_are_found(api, airflow):
    tasks = [a_try(map_index=n) for n in range(700)]
    pages = iter([tasks[:500], tasks[500:]])

    def answer():
        told = [instance(map_index=task.map_index) for task in next(pages)]
        return web.json_response({"task_instances": told})

    airflow.answers["list"] = answer
    assert len(await api.rows(tasks)) == 700
    assert [b'"page_offset": 500' in body for _, body in airflow.asked] == [False, True]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(page("<html>"), id="HTML"),
        pytest.param(says({"detail": "no"}, 403), id="403"),
        pytest.param(says({"detail": "Not Found"}, 404), id="404"),
        pytest.param(says({}, 500), id="500"),
        pytest.param(says({"task_instances": [{"id": 1}]}), id="odd rows"),
    ],
)
async def test_anything_else_than_a_list_stops_the_round(api, airflow, answer):
    airflow.answers["list"] = answer
    with pytest.raises(EvidenceError) as caught:
        await api.rows([TASK])
    assert not caught.value.about_one


async def test_a_slow_answer_is_none(api, airflow):
    async def late():
        await asyncio.sleep(5)
        return web.json_response(instance())

    airflow.answers["one"] = late
    with pytest.raises(EvidenceError, match=r"did not answer within") as caught:
        await api.row(TASK)
    assert caught.value.kind == "unreachable"


async def test_a_closed_port_is_none(api, airflow):
    await airflow.server.close()
    with pytest.raises(EvidenceError, match="no answer from") as caught:
        await api.row(TASK)
    assert caught.value.kind == "unreachable"


async def test_an_expired_token_is_replaced_once(api, airflow):
    airflow.answers["one"] = says(instance())
    await api.row(TASK)
    airflow.token = "t2"
    assert await api.row(TASK)
    assert len(airflow.logins) == 2


async def test_a_changed_password_is_read_from_its_file(api, airflow, tmp_path):
    airflow.answers["one"] = says(instance())
    await api.row(TASK)
    (tmp_path / "password").write_text("new one")
    airflow.token = "t2"
    await api.row(TASK)
    assert airflow.logins[-1]["password"] == "new one"


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_refused_login_says_whose(api, airflow, status):
    airflow.answers["login"] = says({"detail": "Invalid credentials"}, status)
    with pytest.raises(EvidenceError, match="refuses the login of 'janitor'") as caught:
        await api.row(TASK)
    assert caught.value.kind == "refused"


async def test_a_login_page_is_no_token(api, airflow):
    airflow.answers["login"] = page("<title>Welcome</title>")
    with pytest.raises(EvidenceError, match="Welcome"):
        await api.row(TASK)


async def test_a_token_file_needs_no_login(airflow, tmp_path):
    token = tmp_path / "token"
    token.write_text("t1\n")
    airflow.answers["one"] = says(instance())
    url = str(airflow.server.make_url("/"))
    made = AirflowApi(url, login=Login(token=FollowedFile(token, what="the token")))
    assert await made.row(TASK)
    assert airflow.logins == []
    token.write_text("stale")
    with pytest.raises(EvidenceError, match="refuses a fresh token"):
        await made.row(TASK)
    await made.close()


async def test_a_missing_password_file_is_a_sentence(airflow, tmp_path):
    login = Login(username="j", password=FollowedFile(tmp_path / "none", what="the password"))
    made = AirflowApi(str(airflow.server.make_url("/")), login=login)
    with pytest.raises(EvidenceError, match="the password is"):
        await made.row(TASK)
    await made.close()


async def test_a_certificate_nobody_signed_is_a_sentence(authority, serving):
    async with serving(authority.issue("127.0.0.1")) as (url, login):
        made = AirflowApi(url, login=login)
        with pytest.raises(EvidenceError, match=r"certificate .* is not trusted") as caught:
            await made.row(TASK)
        assert re.search("AIRFLOW_CA_FILE", str(caught.value))
        await made.close()


async def test_a_certificate_that_has_expired_is_a_sentence(authority, serving):
    pair = authority.issue("127.0.0.1", lasts=-dt.timedelta(hours=1))
    async with serving(pair) as (url, login):
        trusting = ssl.create_default_context(cadata=authority.pem.decode())
        made = AirflowApi(url, login=login, tls=lambda: trusting)
        with pytest.raises(EvidenceError, match=r"certificate has expired.*: renew it") as caught:
            await made.row(TASK)
        assert caught.value.kind == "unreachable"
        await made.close()


@pytest.fixture
def serving(tmp_path):
    """Return a context in which a server has the certificate, and a login for it is there."""

    @contextlib.asynccontextmanager
    async def serve(pair):
        file = tmp_path / "server.pem"
        file.write_bytes(pair.key + pair.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server = TestServer(web.Application(), scheme="https")
        await server.start_server(ssl=context)
        (tmp_path / "p").write_text("x")
        login = Login(username="j", password=FollowedFile(tmp_path / "p", what="the password"))
        yield str(server.make_url("/")), login
        await server.close()

    return serve
