import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def environment(folder, *, marker=None):
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    if marker is not None:
        (folder / ".complete").write_text(marker)
    return folder


def test_an_environment_counts_only_when_marked_complete_for_its_key(bootstrap, tmp_path):
    assert not bootstrap.is_complete(environment(tmp_path / "killed"), key="k")
    assert not bootstrap.is_complete(environment(tmp_path / "old", marker="j"), key="k")
    assert bootstrap.is_complete(environment(tmp_path / "good", marker="k"), key="k")


def test_an_environment_whose_interpreter_is_gone_is_incomplete(bootstrap, tmp_path):
    folder = environment(tmp_path / "env", marker="k")
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/absent/python")
    assert not bootstrap.is_complete(folder, key="k")


def test_key_follows_the_pins(bootstrap, tmp_path):
    pins = tmp_path / "pins"
    pins.write_text("a==1")
    before = bootstrap.digest(pins)
    pins.write_text("a==2")
    assert bootstrap.digest(pins) != before


def test_without_the_venv_module_a_user_is_told_the_command(bootstrap, monkeypatch):
    monkeypatch.setattr(bootstrap, "_has_module", lambda _: False)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: "/usr/bin/apt-get")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap.BootstrapError, match=r"sudo apt-get install .*python3\.\d+-venv"):
        bootstrap._ensure_venv_module()


def test_a_python_that_is_too_old_is_named(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    assert bootstrap.main("tools") == 2
    assert "Python 3.11 or newer is needed" in capsys.readouterr().err


def test_wrapper_refuses_when_no_python_is_new_enough(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "task")],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "TRADEWIND_PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed, found Python 3.9.2" in done.stderr


def test_every_locked_requirement_has_a_hash_and_no_address():
    for name in ("locks/dev.txt", "tools/requirements-bootstrap.txt"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        for requirement in text.replace("\\\n", " ").splitlines():
            assert "--hash=sha256:" in requirement, requirement
