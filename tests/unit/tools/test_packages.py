import pytest

from tradewind_tools import packages
from tradewind_tools.errors import ToolError

ABSENT = packages.Package("nowhere-tools", ("/absent/program",))
PRESENT = packages.Package("shell", ("/absent/sh", "sh"))


def test_a_package_is_present_when_one_of_its_files_is():
    assert packages.missing([ABSENT, PRESENT]) == ["nowhere-tools"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('ID=debian\nVERSION_ID="12"\n', True, id="debian"),
        pytest.param('ID=ubuntu\nID_LIKE="debian"\n', True, id="ubuntu"),
        pytest.param('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True, id="derived"),
        pytest.param('ID="fedora"\n', False, id="fedora"),
    ],
)
def test_debian_and_its_family_are_known(tmp_path, monkeypatch, text, expected):
    file = tmp_path / "os-release"
    file.write_text(text)
    monkeypatch.setattr(packages.shutil, "which", lambda *_, **__: "/usr/bin/apt-get")
    assert packages.is_debian(file) is expected


def test_without_root_the_exact_command_is_given(monkeypatch):
    monkeypatch.setattr(packages, "is_debian", lambda: True)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match=r"sudo apt-get install .*nowhere-tools") as caught:
        packages.ensure([ABSENT, PRESENT])
    assert caught.value.exit_code == 2


def test_on_another_distribution_the_packages_are_named(monkeypatch):
    monkeypatch.setattr(packages, "is_debian", lambda: False)
    with pytest.raises(ToolError, match="nowhere-tools: install them"):
        packages.ensure([ABSENT])


def test_nothing_is_run_when_all_is_there(monkeypatch):
    monkeypatch.setattr(packages, "_apt_get", pytest.fail)
    packages.ensure([PRESENT])
