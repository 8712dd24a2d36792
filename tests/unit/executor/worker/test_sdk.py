"""What the worker wraps of Airflow's SDK, and what it takes for granted there."""

import hashlib
import importlib
import inspect
import os
import socket
import uuid
from datetime import UTC, datetime

import httpx
import pytest
import structlog
from airflow.sdk.api.client import TaskInstanceOperations
from airflow.sdk.execution_time.supervisor import WatchedSubprocess
from airflow.sdk.listener import get_listener_manager

from tradewind.testing.fake_airflow import run_context
from tradewind.worker import sdk
from tradewind.worker.endings import Start
from tradewind.worker.sdk import Watch

SUPERVISOR = "airflow.sdk.execution_time.supervisor"
CALLBACKS = "airflow.sdk.execution_time.callback_supervisor"


@pytest.mark.parametrize(
    ("module", "name", "digest"),
    [
        # Wrapped by `end_without_tail`, called by both loops with `max_wait_time`.
        (SUPERVISOR, "WatchedSubprocess._service_subprocess", "42a762c7c8aa"),
        (SUPERVISOR, "ActivitySubprocess._monitor_subprocess", "02685b2380de"),
        (CALLBACKS, "CallbackSubprocess._monitor_subprocess", "56d8eb94becd"),
        # Wrapped by `Watch`: one call per task, before its child is told to begin.
        ("airflow.sdk.api.client", "TaskInstanceOperations.start", "40b4c0a7c6d3"),
        (SUPERVISOR, "ActivitySubprocess._on_child_started", "c1810e9d6d09"),
        # Its listeners are the last thing before `execute`.
        ("airflow.sdk.execution_time.task_runner", "_prepare", "2c530730d1b1"),
        # Called as it is; after it, what it sets up beforehand is set up by us.
        ("airflow.sdk.execution_time.execute_workload", "execute_workload", "01c77c5e077a"),
        ("airflow.executors.base_executor", "BaseExecutor.run_workload", "e84e8f0e2011"),
    ],
)
def test_upstream_is_as_it_was_when_the_worker_was_written(module, name, digest):
    """A new digest is no bug: read the new code, then write its digest here."""
    found = importlib.import_module(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part)
    source = inspect.getsource(getattr(found, "__func__", found))
    assert hashlib.sha256(source.encode()).hexdigest()[:12] == digest


@pytest.fixture
def upstream(monkeypatch):
    """Put back what a test wraps."""
    for owner, name in (
        (WatchedSubprocess, "_service_subprocess"),
        (TaskInstanceOperations, "start"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))


class Selector:
    """A selector that has no news, and remembers how long it was asked to wait for some."""

    def __init__(self):
        self.waits = []

    def select(self, timeout):
        self.waits.append(timeout)
        return []


class Alive:
    """A process that goes on."""

    TimeoutExpired = TimeoutError

    pid = 1

    def wait(self, timeout):
        raise self.TimeoutExpired


@pytest.fixture
def supervised():
    return WatchedSubprocess(
        id=uuid.uuid4(),
        pid=1,
        stdin=None,
        process=Alive(),
        selector=Selector(),
        process_log=structlog.get_logger(),
    )


@pytest.mark.usefixtures("upstream")
def test_without_us_the_supervisor_waits_a_heartbeat_for_a_child_that_closed_its_sockets(
    supervised,
):
    # When this fails, Airflow mended it: remove `end_without_tail`.
    supervised._service_subprocess(max_wait_time=5)
    assert supervised.selector.waits == [5]


@pytest.mark.usefixtures("upstream")
def test_with_us_it_looks_again_at_once(supervised):
    assert sdk.end_without_tail()
    supervised._service_subprocess(max_wait_time=5)
    assert supervised.selector.waits == [0.01]


@pytest.mark.usefixtures("upstream")
def test_with_us_it_waits_as_before_while_the_child_can_speak(supervised):
    assert sdk.end_without_tail()
    with socket.socket() as speaking:
        supervised._open_sockets[speaking] = "logs"
        supervised._service_subprocess(max_wait_time=5, raise_on_timeout=False)
    assert supervised.selector.waits == [5]


def test_a_supervisor_that_takes_other_arguments_is_left_alone(monkeypatch):
    def other(self, max_wait_time):
        """Belong to another Airflow."""

    monkeypatch.setattr(WatchedSubprocess, "_service_subprocess", other)
    assert not sdk.end_without_tail()
    assert WatchedSubprocess._service_subprocess is other


class Operations(TaskInstanceOperations):
    """Its client answers what the test says."""

    def __init__(self, answer):
        super().__init__(client=self)
        self._answer = answer

    def patch(self, *_, **__):
        raise self._answer


@pytest.fixture
def watch(upstream):
    asked = []
    watch = Watch(on_ask=lambda: asked.append(watch.start))
    watch.attach()
    watch.asked = asked
    yield watch
    get_listener_manager().pm.unregister(watch._user_code)


def test_nothing_is_known_of_a_task_that_did_not_begin(watch):
    assert (watch.start, watch.run_s, watch.user_code_s) == (Start.NOT_ASKED, None, None)


def test_a_refused_start_is_known_and_still_raised(watch):
    with pytest.raises(OSError, match="down"):
        Operations(OSError("down")).start(uuid.uuid4(), 1, datetime.now(UTC))
    assert watch.start is Start.REFUSED
    assert watch.run_s is not None
    assert watch.asked == [Start.NOT_ASKED]


REQUEST = httpx.Request("PATCH", "http://airflow/execution/task-instances/1/run")


def status(code):
    return httpx.HTTPStatusError("no", request=REQUEST, response=httpx.Response(code))


class Clock:
    """Time that passes while somebody sleeps, and five seconds with each question."""

    def __init__(self, *said):
        self.now = 0.0
        self.pauses = []
        self._said = list(said)

    def now_s(self):
        return self.now

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def ask(self):
        self.now += 5
        said = self._said.pop(0) if len(self._said) > 1 else self._said[0]
        if isinstance(said, Exception):
            raise said
        return said

    def ask_patiently(self):
        return sdk.ask_patiently(self.ask, for_s=sdk.ASKING_S, now_s=self.now_s, sleep=self.sleep)


@pytest.mark.parametrize(
    "silence",
    [httpx.ReadTimeout("timed out"), httpx.ConnectError("refused"), status(500), status(503)],
    ids=repr,
)
def test_a_start_that_is_not_answered_is_asked_for_again(silence):
    clock = Clock(silence, silence, "go")
    assert clock.ask_patiently() == "go"
    assert len(clock.pauses) == 2


@pytest.mark.parametrize("code", [401, 403, 404, 409, 422])
def test_a_start_that_is_refused_is_not_asked_for_again(code):
    clock = Clock(status(code))
    with pytest.raises(httpx.HTTPStatusError):
        clock.ask_patiently()
    assert clock.pauses == []


def test_a_start_that_is_never_answered_is_given_up_after_a_while():
    clock = Clock(httpx.ReadTimeout("timed out"))
    with pytest.raises(httpx.ReadTimeout):
        clock.ask_patiently()
    assert sdk.ASKING_S < clock.now < sdk.ASKING_S + 20


def test_the_worker_asks_patiently(watch, monkeypatch):
    said = [httpx.ReadTimeout("timed out"), httpx.Response(200, json=run_context())]

    def patch(*_, **__):
        match said.pop(0):
            case Exception() as silence:
                raise silence
            case answer:
                return answer

    monkeypatch.setattr(Operations, "patch", patch)
    monkeypatch.setattr(watch, "_sleep", lambda _: None)
    Operations(None).start(uuid.uuid4(), 1, datetime.now(UTC))
    assert (watch.start, said) == (Start.AGREED, [])


def test_an_agreed_start_is_known(watch, monkeypatch):
    agreed = httpx.Response(200, json=run_context())
    monkeypatch.setattr(Operations, "patch", lambda *_, **__: agreed)
    Operations(None).start(uuid.uuid4(), 1, datetime.now(UTC))
    assert watch.start is Start.AGREED


def test_the_moment_user_code_begins_comes_from_the_forked_process(watch):
    pid = os.fork()
    if pid == 0:
        hook = get_listener_manager().hook
        hook.on_task_instance_running(previous_state=None, task_instance=None)
        os._exit(0)
    os.waitpid(pid, 0)
    assert watch.user_code_s > 0
