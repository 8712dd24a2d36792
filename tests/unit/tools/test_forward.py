"""A forwarded port, with a shell script in kubectl's place."""

import os
import time

import pytest

from tradewind_tools import forward, kubectl, target
from tradewind_tools.errors import WorkFailedError

REFUSED = "echo 'error: unable to upgrade connection: pod does not exist' >&2; exit 1"
OPENED = "echo 'Forwarding from 127.0.0.1:4321 -> 8080'; exec sleep 60"


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Return a function that sets what kubectl does, call after call."""
    calls = tmp_path / "calls"
    calls.touch()
    file = tmp_path / "kubectl"
    file.touch(mode=0o755)

    def becomes(*steps):
        cases = "".join(f"{number}) {step};;\n" for number, step in enumerate(steps, start=1))
        file.write_text(
            f"#!/bin/sh\necho $$ >> {calls}\ncase $(wc -l < {calls}) in\n{cases}"
            f"*) {steps[-1]};;\nesac\n"
        )
        return lambda: [int(line) for line in calls.read_text().split()]

    monkeypatch.setattr(kubectl, "binary", lambda: str(file))
    monkeypatch.setattr(forward, "REPEAT_INTERVAL_S", 0.01)
    return becomes


def a_forward():
    return forward.PortForward(
        target.resolve({}), service="tradewind-api-server", port=8080, namespace="tradewind"
    )


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_says_the_port_that_kubectl_took_and_ends_kubectl(script):
    pids = script(OPENED)
    with a_forward() as port:
        assert port.url() == "http://127.0.0.1:4321"
        assert port.url() == "http://127.0.0.1:4321"
        (pid,) = pids()
        assert is_running(pid)
    assert not is_running(pid)


def test_a_pod_that_just_restarts_is_tried_again(script):
    pids = script(REFUSED, REFUSED, OPENED)
    with a_forward() as port:
        assert port.url() == "http://127.0.0.1:4321"
    assert len(pids()) == 3


def test_a_port_that_never_opens_is_one_sentence_with_kubectls_reason(script, monkeypatch):
    monkeypatch.setattr(forward, "OPEN_TIMEOUT_S", 0.0)
    script(REFUSED)
    with pytest.raises(WorkFailedError, match=r"service/tradewind-api-server.*pod does not exist"):
        a_forward().url()


def test_a_forward_that_broke_is_opened_again(script):
    pids = script(OPENED)
    with a_forward() as port:
        port.url()
        os.kill(pids()[0], 15)
        deadline_s = time.monotonic() + 5
        while len(pids()) < 2 and time.monotonic() < deadline_s:
            port.url()
        assert len(pids()) == 2


def test_a_chatty_kubectl_is_read_to_its_end(script):
    # More than a pipe holds: unread, kubectl would block before it says its port.
    script(f"head -c 300000 /dev/zero | tr '\\0' 'x' >&2; {OPENED}")
    with a_forward() as port:
        assert port.url() == "http://127.0.0.1:4321"
