import importlib.metadata
import io
import tarfile

import pytest

from tradewind_tools import cli, upstream
from tradewind_tools.errors import ToolError, WorkFailedError

ENTRY = f"""{upstream.PROVIDER}==10.25.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb"""
LOCK = f"""anyio==1 \\
    --hash=sha256:cccc
{ENTRY}
{upstream.PROVIDER}-extra==1 \\
    --hash=sha256:dddd
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEWIND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRADEWIND_BIN", str(tmp_path / "bin"))
    return tmp_path / "cache" / "upstream"


def an_archive(path, *names):
    with tarfile.open(path, "w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(f"provider-10.25.0/{name}")
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    return path


@pytest.fixture
def downloads(monkeypatch):
    """Stand in for pip: record its command lines, leave an archive with one test."""
    commands = []

    def run(command, *, timeout_s):
        del timeout_s
        commands.append(command)
        folder = command[command.index("-d") + 1]
        an_archive(f"{folder}/provider.tar.gz", "tests/unit/cncf/kubernetes/test_a.py")

    monkeypatch.setattr(upstream.command, "run", run)
    return commands


def test_the_pin_is_the_whole_entry_of_the_lock(tmp_path):
    lock = tmp_path / "dev.txt"
    lock.write_text(LOCK)
    assert upstream.pin(lock) == upstream.Pin(version="10.25.0", requirement=ENTRY)


def test_a_lock_without_hashes_of_the_provider_is_refused(tmp_path):
    lock = tmp_path / "dev.txt"
    lock.write_text(f"{upstream.PROVIDER}==10.25.0\n")
    with pytest.raises(ToolError, match=r"pins no .* with hashes: run \./task locks"):
        upstream.pin(lock)


def test_the_tests_are_of_the_release_that_is_installed():
    assert upstream.pin().version == importlib.metadata.version(upstream.PROVIDER)


def test_another_release_or_hash_has_another_folder():
    pins = [
        upstream.Pin(version="1", requirement="a --hash=sha256:1"),
        upstream.Pin(version="1", requirement="a --hash=sha256:2"),
        upstream.Pin(version="2", requirement="a --hash=sha256:1"),
    ]
    assert len({pin.target for pin in pins}) == len(pins)


def test_only_the_tests_of_the_provider_are_unpacked(tmp_path):
    archive = an_archive(
        tmp_path / "a.tar.gz",
        "src/module.py",
        "tests/conftest.py",
        "tests/unit/cncf/kubernetes/conftest.py",
        "tests/unit/cncf/kubernetes/cli/test_a.py",
    )
    upstream.unpack(archive, tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert {str(path.relative_to(tmp_path / "out")) for path in files} == {
        "conftest.py",
        "cli/test_a.py",
    }


def test_a_member_that_would_leave_the_folder_is_refused(tmp_path):
    outside = "tests/unit/cncf/kubernetes/../../../../../evil"
    archive = an_archive(tmp_path / "a.tar.gz", "tests/unit/cncf/kubernetes/a.py", outside)
    with pytest.raises(tarfile.OutsideDestinationError):
        upstream.unpack(archive, tmp_path / "out")
    assert not (tmp_path / "evil").exists()


def test_an_archive_without_tests_is_refused(tmp_path):
    archive = an_archive(tmp_path / "a.tar.gz", "src/module.py")
    with pytest.raises(WorkFailedError, match=r"a\.tar\.gz has no tests/unit/cncf/kubernetes"):
        upstream.unpack(archive, tmp_path / "out")


def test_the_tests_are_fetched_once(downloads):
    first = upstream.ensure()
    assert upstream.ensure() == first
    assert (first / "test_a.py").is_file()
    assert len(downloads) == 1


def test_the_download_names_release_and_hashes_and_nothing_else(downloads):
    folder = upstream.ensure()
    (command,) = downloads
    assert command[1:3] == ["-m", "pip"]
    assert {"--no-deps", "--no-binary", "--require-hashes"} <= set(command)
    assert not [word for word in command if "://" in word]
    assert not (folder / "requirements.txt").exists()


def test_a_failed_fetch_leaves_nothing_behind(cache, monkeypatch):
    def fail(*_, **__):
        raise WorkFailedError("no such release")

    monkeypatch.setattr(upstream.command, "run", fail)
    with pytest.raises(WorkFailedError, match="no such release"):
        upstream.ensure()
    assert [path.name for path in cache.iterdir()] == [f".{upstream.PROVIDER}.lock"]


def test_what_a_killed_fetch_left_is_removed(cache, downloads):
    leftover = cache / f".{upstream.PROVIDER}-x.partial"
    leftover.mkdir(parents=True)
    upstream.ensure()
    assert len(downloads) == 1
    assert not leftover.exists()


def test_a_process_that_waited_for_another_fetch_uses_it(downloads, monkeypatch):
    found = upstream.ensure()
    hidden = found.with_name("hidden")
    found.rename(hidden)
    exclusive = upstream.locks.exclusive

    def waited(path, *, waiting_for):
        hidden.rename(found)
        return exclusive(path, waiting_for=waiting_for)

    monkeypatch.setattr(upstream.locks, "exclusive", waited)
    assert upstream.ensure() == found
    assert len(downloads) == 1


def test_outside_the_wrapper_the_way_in_is_named(monkeypatch):
    monkeypatch.delenv("TRADEWIND_BIN")
    with pytest.raises(ToolError, match=r"start verbs through \./task"):
        upstream.python()


def test_a_command_is_given_the_folder(downloads, monkeypatch):
    replaced = []
    monkeypatch.setattr(cli.os, "execvpe", lambda *words: replaced.append(words))
    cli.main(["upstream", "run", "--", "pytest", "-k", "names"], standalone_mode=False)
    ((program, command, environment),) = replaced
    assert (program, command) == ("pytest", ["pytest", "-k", "names"])
    assert environment["UPSTREAM_TESTS"] == str(upstream.pin().target)
    assert len(downloads) == 1
