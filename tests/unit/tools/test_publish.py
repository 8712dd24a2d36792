"""What may be released, and how the images' digests get into the chart."""

import http.server
import os
import subprocess
import threading

import pytest
import yaml

from tradewind.promotion import pins
from tradewind.promotion.pins import Pin
from tradewind_tools import baking, images, paths, publish, registry
from tradewind_tools.errors import ToolError, WorkFailedError

VALUES = (paths.CHECKOUT / "chart" / "values.yaml").read_text()
DIGEST = f"sha256:{'1' * 64}"
FILES = {
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [1.4.2] - 2026-03-04\n",
    images.VERSION_FILE: '"""Executor."""\n\n__version__ = "1.4.2"\n',
    "chart/Chart.yaml": "version: 1.4.2\nappVersion: 1.4.2\n",
    "environments/order.yaml": "environments: [{name: dev}, {name: prod}]\n",
    "environments/dev/release.yaml": "",
}


def git(folder, *words):
    who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in NAMES}
    done = subprocess.run(
        ["git", *words],
        cwd=folder,
        env=os.environ | who,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


NAMES = ("NAME", "EMAIL")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "digest", lambda *_, **__: None)
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "-m", "All")
    git(tmp_path, "tag", "v1.4.2")
    return tmp_path


def prepared(checkout, name="r.example:5000/team"):
    return publish.prepare(checkout, registry_name=name)


def test_the_tag_of_a_clean_commit_is_released(checkout):
    plan = prepared(checkout)
    assert (plan.version, plan.repository) == ("1.4.2", "tradewind/charts/tradewind")
    assert plan.commit == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("name", ["", "https://r.example/team", "a b"])
def test_a_release_names_its_registry(checkout, name):
    with pytest.raises(ToolError, match=r"names no registry: REGISTRY=host:5000/team ./task"):
        prepared(checkout, name)


def test_a_tree_with_changes_is_refused(checkout):
    (checkout / "new.txt").write_text("x")
    with pytest.raises(ToolError, match=r"the tree has changes \(\?\? new.txt\): commit or stash"):
        prepared(checkout)


@pytest.mark.parametrize("tags", [[], ["latest"], ["v1.4.2", "v1.4.3"], ["v1.4"]])
def test_a_commit_has_one_version(checkout, tags):
    git(checkout, "tag", "--delete", "v1.4.2")
    for tag in tags:
        git(checkout, "tag", tag)
    with pytest.raises(ToolError, match=r"no version of its own .*`git tag v1\.4\.2` gives"):
        prepared(checkout)


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        ("CHANGELOG.md", "## [Unreleased]\n", r"no section \[1.4.2\] \(it has Unreleased\)"),
        (images.VERSION_FILE, '__version__ = "1.4.1"', "tradewind/__init__.py says 1.4.1, the tag"),
        ("chart/Chart.yaml", "version: 1.4.2\nappVersion: 9\n", "appVersion says 9, the tag 1.4.2"),
    ],
)
def test_files_that_know_nothing_of_the_version_are_refused(checkout, path, text, problem):
    (checkout / path).write_text(text)
    git(checkout, "commit", "--quiet", "--all", "-m", "Change")
    git(checkout, "tag", "--force", "v1.4.2")
    with pytest.raises(ToolError, match=problem):
        prepared(checkout)


def test_a_version_is_written_once(checkout, monkeypatch):
    monkeypatch.setattr(registry, "digest", lambda *_, **__: DIGEST)
    with pytest.raises(ToolError, match=r"has tradewind/charts/tradewind:1\.4\.2 already"):
        prepared(checkout)


PIN = Pin(
    chart="oci://r.example/c",
    chart_version="1.4.2",
    chart_digest=DIGEST,
    app_version="1.4.2",
    git_commit="0" * 40,
    images={"airflow": f"r.example/a@{DIGEST}"},
)


@pytest.mark.parametrize("first", ["dev", "lab"])
def test_the_first_environment_gets_the_pin(checkout, first):
    order = f"environments: [{{name: {first}}}, {{name: prod}}]\n"
    (checkout / "environments/order.yaml").write_text(order)
    path = f"environments/{first}/release.yaml"
    (checkout / path).parent.mkdir(exist_ok=True)
    (checkout / path).touch()
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "Begin with another")
    file = publish.write(checkout, PIN)
    assert file == checkout / path
    assert pins.parse(file.read_text(), path="p") == PIN
    assert publish.pinned(checkout) == path
    assert f"git commit {path} -m 'Release 1.4.2'" in publish.told(PIN, path=path)
    assert git(checkout, "status", "--porcelain") == f"M {path}"


def test_digests_of_all_images_become_the_charts_defaults():
    pushed = [
        images.Pushed(image=image, tag="src-1", digest=DIGEST, was_built=False)
        for image in images.listed()
    ]
    plan = publish.Plan(version="1.4.2", commit="0" * 40, registry="r.example/team")
    wanted = publish.baked_images(plan, pushed)
    baked = baking.bake(VALUES, values=wanted)
    loaded = yaml.safe_load(baked)
    for image in (loaded["image"], loaded["postgresql"]["image"], loaded["janitor"]["image"]):
        assert image["registry"] == "r.example/team"
        assert (image["tag"], image["digest"]) == ("1.4.2", DIGEST)
    assert loaded["gitSync"]["image"]["digest"] == ""
    # Nothing but these lines changes, comments included.
    changed = [
        (a, b) for a, b in zip(VALUES.splitlines(), baked.splitlines(), strict=True) if a != b
    ]
    assert len(changed) <= 4 * len(wanted)


def test_a_place_that_the_chart_does_not_have_is_refused():
    with pytest.raises(ToolError, match=r"has no image.colour: correct images/images.yaml"):
        baking.bake(VALUES, values={"image": {"colour": "red"}})
    with pytest.raises(ToolError, match="a line of its own"):
        baking.bake("image: {tag: a}\n", values={"image": {"tag": "b"}})


@pytest.fixture
def tags():
    """Return (host, what was put) of a registry that has one image under `src-1`."""
    put = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/v2/team/a/manifests/src-1" else 404)
            self.send_header("Content-Type", "application/vnd.oci.image.manifest.v1+json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            put[self.path] = (self.headers["Content-Type"], body)
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}/team", put
    server.shutdown()
    server.server_close()


def test_a_second_tag_is_the_same_manifest(tags):
    host, put = tags
    registry.tag(host, repository="a", pushed="src-1", tag="1.4.2")
    kind = "application/vnd.oci.image.manifest.v1+json"
    assert put == {"/v2/team/a/manifests/1.4.2": (kind, b"{}")}
    with pytest.raises(WorkFailedError, match=r"does not take a:1\.4\.2"):
        registry.tag(host, repository="a", pushed="src-2", tag="1.4.2")
