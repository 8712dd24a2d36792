"""The base image, with shell scripts in the place of docker and debootstrap."""

import pytest

from tradewind_tools import base_image, packages, paths
from tradewind_tools.builder import Builder
from tradewind_tools.errors import ToolError, WorkFailedError

DEBOOTSTRAP = """#!/bin/sh
for last; do :; done
echo I: Retrieving InRelease
mkdir -p "$last/etc" && echo trixie > "$last/etc/debian_version"
"""


@pytest.fixture
def docker(tmp_path, monkeypatch):
    """A builder that notes its calls; it has the images, and reaches the registries, listed."""
    calls, has, reaches = tmp_path / "calls", tmp_path / "has", tmp_path / "reaches"
    for file in (calls, has, reaches):
        file.touch()
    script = tmp_path / "docker"
    script.write_text(
        f"""#!/bin/sh
echo "$@" >> {calls}
for last; do :; done
case "$1" in
  image) grep -qx "$last" {has};;
  pull) grep -qx "$last" {reaches} && echo "$last" >> {has};;
  import) test -s "$2" && echo "$last" >> {has};;
esac
"""
    )
    script.chmod(0o755)
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    (bin_dir / "debootstrap").write_text(DEBOOTSTRAP)
    (bin_dir / "debootstrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_dir}:/usr/bin:/bin")
    monkeypatch.setattr(paths, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setattr(packages, "ensure", lambda _: None)
    monkeypatch.setattr(base_image.os, "geteuid", lambda: 0)

    class Docker(Builder):
        cache = tmp_path / "cache" / "base"
        debootstrap = bin_dir / "debootstrap"

        @staticmethod
        def verbs():
            return [line.split()[0] for line in calls.read_text().splitlines()]

        @staticmethod
        def has_image(name):
            has.write_text(f"{name}\n")

        @staticmethod
        def reaches(name):
            reaches.write_text(f"{name}\n")

    return Docker([str(script)])


def test_an_image_the_builder_has_is_used_without_asking_anybody(docker):
    docker.has_image(base_image.OWN)
    assert base_image.ensure(docker) == base_image.OWN
    assert set(docker.verbs()) == {"image"}


def test_where_a_registry_answers_the_public_one_is_pulled(docker):
    docker.reaches(base_image.PUBLIC)
    assert base_image.ensure(docker) == base_image.PUBLIC
    assert not docker.cache.exists()


def test_where_none_answers_it_is_made_here_under_a_name_of_our_own(docker):
    assert base_image.ensure(docker) == base_image.OWN
    assert [file.name for file in docker.cache.glob("[!.]*")] == ["trixie.tar"]


def test_a_second_builder_gets_it_from_the_cache(docker):
    base_image.ensure(docker)
    docker.has_image("another")
    docker.debootstrap.write_text("#!/bin/sh\nexit 1\n")
    assert base_image.ensure(docker) == base_image.OWN
    assert docker.verbs()[-1] == "import"


def test_leftovers_of_an_interrupted_one_go(docker):
    (docker.cache / "old.partial").mkdir(parents=True)
    (docker.cache / "trixie.tar.partial").write_text("half")
    base_image.ensure(docker)
    assert [file.name for file in docker.cache.glob("*partial*")] == []


def test_a_failed_debootstrap_says_why_and_leaves_nothing(docker):
    docker.debootstrap.write_text("#!/bin/sh\necho 'E: Unable to fetch InRelease'; exit 1\n")
    with pytest.raises(WorkFailedError, match="E: Unable to fetch InRelease"):
        base_image.ensure(docker)
    assert [file.name for file in docker.cache.glob("[!.]*")] == []


def test_making_it_needs_root(docker, monkeypatch):
    monkeypatch.setattr(base_image.os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match="needs root: use sudo"):
        base_image.ensure(docker)
