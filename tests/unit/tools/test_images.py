import pytest
import yaml

from tradewind_tools import images, paths, target
from tradewind_tools.errors import WorkFailedError
from tradewind_tools.images import Image


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one image that needs the wheel and one that does not."""
    for file in ("images/web/Dockerfile", "images/db/Dockerfile", "executor/src/a.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    (tmp_path / "executor/pyproject.toml").write_text("[project]")
    (tmp_path / images.VERSION_FILE).parent.mkdir()
    (tmp_path / images.VERSION_FILE).write_text('__version__ = "1.4.2"\n')
    monkeypatch.setattr(paths, "CHECKOUT", tmp_path)
    monkeypatch.setattr(images, "LIST", tmp_path / "images" / "images.yaml")
    monkeypatch.setattr(paths, "state_dir", lambda: tmp_path / "state")
    return tmp_path


WEB = Image(folder="web", repository="t/web", chart_values="images.web", needs_wheel=True)
DB = Image(folder="db", repository="t/db", chart_values="database.image", needs_wheel=False)
SLOW = Image(
    folder="db", repository="t/slow", chart_values="slow.image", needs_wheel=False, program="s/s"
)


class FakeRegistry:
    """Holds the digest of every tag that was pushed."""

    def __init__(self, monkeypatch, *, shows=True):
        self.tags, self.built, self.wheels = {}, [], 0

        def build_wheel():
            self.wheels += 1

        def build_and_push(_, reference):
            self.built.append(reference)
            if shows:
                self.tags[reference] = f"sha256:{len(self.tags)}"

        monkeypatch.setattr(images, "build_wheel", build_wheel)
        monkeypatch.setattr(images, "_build_and_push", build_and_push)
        monkeypatch.setattr(
            images.registry,
            "digest",
            lambda host, *, repository, tag: self.tags.get(f"{host}/{repository}:{tag}"),
        )
        monkeypatch.setattr(images, "listed", lambda: [WEB, DB])


@pytest.mark.parametrize(
    ("file", "web_changes", "db_changes"),
    [
        pytest.param("images/web/Dockerfile", True, False, id="its-own-folder"),
        pytest.param("images/web/bin/new.sh", True, False, id="a-new-file"),
        pytest.param("executor/src/a.py", True, False, id="the-wheels-source"),
        pytest.param("executor/pyproject.toml", True, False, id="the-wheels-pins"),
        pytest.param("images/db/Dockerfile", False, True, id="the-other-folder"),
        pytest.param("images/web/README.md", False, False, id="what-never-enters-an-image"),
        pytest.param("executor/src/__pycache__/a.pyc", False, False, id="bytecode"),
        pytest.param("chart/values.yaml", False, False, id="the-chart"),
    ],
)
def test_a_tag_changes_with_what_the_image_is_built_from(checkout, file, web_changes, db_changes):
    web, db = images.source_tag(WEB), images.source_tag(DB)
    (checkout / file).parent.mkdir(parents=True, exist_ok=True)
    (checkout / file).write_text("changed")
    assert (images.source_tag(WEB) != web) is web_changes
    assert (images.source_tag(DB) != db) is db_changes


@pytest.mark.usefixtures("checkout")
def test_a_tag_that_the_registry_has_is_not_built_again(monkeypatch):
    registry = FakeRegistry(monkeypatch)
    local = target.resolve({})
    assert [item.was_built for item in images.push(local)] == [True, True]
    assert [item.was_built for item in images.push(local)] == [False, False]
    assert len(registry.built) == 2


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(("has_wheel", "wheels"), [(False, 1), (True, 0)])
def test_images_of_one_push_hold_one_wheel(monkeypatch, has_wheel, wheels):
    registry = FakeRegistry(monkeypatch)
    second = Image(folder="web", repository="t/more", chart_values="more", needs_wheel=True)
    monkeypatch.setattr(images, "listed", lambda: [WEB, second, DB])
    images.push(target.resolve({}), has_wheel=has_wheel)
    assert len(registry.built) == 3
    assert registry.wheels == wheels


@pytest.mark.usefixtures("checkout")
def test_the_chart_is_told_every_digest_at_its_place(monkeypatch):
    FakeRegistry(monkeypatch)
    local = target.resolve({})
    images.push(local)
    values = yaml.safe_load(images.values_file(local).read_text())
    assert values["images"]["web"]["digest"] == "sha256:0"
    assert values["database"]["image"] == {
        "registry": local.registry,
        "repository": "t/db",
        "tag": images.source_tag(DB),
        "digest": "sha256:1",
    }


@pytest.mark.usefixtures("checkout")
def test_a_push_that_the_registry_does_not_show_is_an_error_and_writes_no_values(monkeypatch):
    FakeRegistry(monkeypatch, shows=False)
    local = target.resolve({})
    with pytest.raises(WorkFailedError, match=r"does not show t/web:src-.*anonymous reads"):
        images.push(local)
    assert not images.values_file(local).exists()


@pytest.mark.usefixtures("checkout")
def test_a_build_gets_the_base_and_the_hosts_trusted_certificates(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ca.pem")
    arguments = images._build_arguments(WEB, reference="r/t/web:1", base="base:1")
    assert "BASE_IMAGE=base:1" in arguments
    assert "id=ca,src=/etc/ca.pem" in arguments
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "--secret" not in images._build_arguments(WEB, reference="r/t/web:1", base="base:1")


def test_an_image_whose_program_takes_long_to_build_waits_until_somebody_built_it(
    checkout, monkeypatch
):
    FakeRegistry(monkeypatch)
    (checkout / "tools/programs/s").mkdir(parents=True)
    (checkout / "tools/programs/s/go.mod").write_text("1")
    monkeypatch.setattr(images, "listed", lambda: [DB, SLOW])
    local = target.resolve({})
    monkeypatch.setattr(images.programs, "is_built", lambda _: False)
    assert [item.image for item in images.push(local)] == [DB]
    assert not images.has(local, "slow.image")
    monkeypatch.setattr(images.programs, "is_built", lambda name: name == "s/s")
    first = images.push(local)
    assert [item.image for item in first] == [DB, SLOW]
    assert images.has(local, "slow.image")
    # Another version of the program is another image.
    (checkout / "tools/programs/s/go.mod").write_text("2")
    assert images.source_tag(SLOW) != first[1].tag


def test_every_image_of_the_repository_has_a_dockerfile_and_a_place_in_the_chart():
    values = yaml.safe_load((paths.CHECKOUT / "chart" / "values.yaml").read_text())
    found = images.listed()
    assert found
    for image in found:
        assert (images.LIST.parent / image.folder / "Dockerfile").is_file()
        place = values
        for key in image.chart_values.split("."):
            place = place[key]
        assert {"registry", "repository", "tag", "digest"} <= place.keys()


def test_an_image_of_ours_is_labelled_with_the_executors_version_and_no_other(checkout):
    label = f"{images.VERSION_LABEL}={images.version(checkout)}"
    web, db = (images._build_arguments(image, reference="a", base="b") for image in (WEB, DB))
    assert label.endswith("=1.4.2")
    assert label in web
    assert "--label" not in db
