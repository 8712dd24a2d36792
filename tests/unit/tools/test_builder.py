"""The build daemon, with shell scripts in the place of docker and dockerd."""

import pytest

from tradewind_tools import builder, packages, paths, processes
from tradewind_tools.errors import ToolError, WorkFailedError
from tradewind_tools.processes import Program


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose daemon answers once a file exists, and one whose daemon we may start."""
    state, answers = tmp_path / "state", tmp_path / "answers"
    state.mkdir()
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\ntest -e {answers}\n")
    docker.chmod(0o755)
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(builder, "DEBIAN_DOCKER", str(docker))
    monkeypatch.setattr(builder, "READY_TIMEOUT_S", 5.0)
    monkeypatch.setattr(packages, "ensure", lambda _: None)
    monkeypatch.setattr(paths, "state_dir", lambda: state)
    monkeypatch.setattr(builder.os, "geteuid", lambda: 0)

    def daemon_is(script):
        daemon = Program(
            name=builder.BUILDER, command=["/bin/sh", "-c", script], state=state, environment={}
        )
        monkeypatch.setattr(builder, "_daemon", lambda _: daemon)
        return daemon

    daemon_is(f"sleep 0.2; touch {answers}; exec sleep 60")
    yield type("Machine", (), {"answers": answers, "state": state, "daemon_is": daemon_is})
    processes.stop(state, names=[builder.BUILDER])


def test_a_daemon_that_answers_is_used_as_it_is(machine):
    machine.answers.touch()
    assert builder.ensure().docker == [builder.DEBIAN_DOCKER]
    assert not list(machine.state.glob("run/*"))


def test_without_one_our_own_is_started_and_waited_for(machine):
    found = builder.ensure()
    assert machine.answers.exists()
    assert found.docker[1] == "--host"
    assert str(machine.state) in found.docker[2]


def test_one_whose_start_was_interrupted_is_waited_for_too(machine):
    daemon = machine.daemon_is(f"sleep 0.5; touch {machine.answers}; exec sleep 60")
    processes.start(daemon)
    builder.ensure()
    assert machine.answers.exists()


def test_one_that_ends_is_reported_with_its_last_words(machine):
    machine.daemon_is("echo no space left on device; exit 1")
    with pytest.raises(WorkFailedError, match="no space left on device"):
        builder.ensure()


def test_one_that_never_answers_is_given_up(machine, monkeypatch):
    monkeypatch.setattr(builder, "READY_TIMEOUT_S", 0.2)
    machine.daemon_is("echo thinking; exec sleep 60")
    with pytest.raises(WorkFailedError, match=r"dockerd is not ready after 0 s.*\n.*thinking"):
        builder.ensure()


def test_a_named_daemon_is_never_replaced_by_ours(machine, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:2375")
    with pytest.raises(ToolError, match="no Docker daemon answers at DOCKER_HOST=tcp://elsewhere"):
        builder.ensure()
    assert not list(machine.state.glob("run/*"))


@pytest.mark.usefixtures("machine")
def test_starting_one_needs_root(monkeypatch):
    monkeypatch.setattr(builder.os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match="needs root"):
        builder.ensure()
