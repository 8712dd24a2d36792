"""Releases on real parts: git, a registry, Helm, kubectl's Kustomize, kubeconform."""

import functools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import definitions
import httpx
import pytest
import yaml
from estate import Estate, promote_in

from tradewind.promotion.pins import Pin
from tradewind.promotion.registry import Registry
from tradewind_tools import ports

ROOT = Path(__file__).parents[2]
KUBERNETES = "1.36"
STARTS_WITHIN_S = 30
ENGINES = [
    ("argo-cd", "manifests/crds/*.yaml"),
    ("source-controller", "config/crd/bases/*.yaml"),
    ("kustomize-controller", "config/crd/bases/*.yaml"),
    ("helm-controller", "config/crd/bases/*.yaml"),
]
"""Go modules of what follows the environments, and where their definitions are."""


def program(variable):
    """Return the path that the environment names, or fail with what to do."""
    path = os.environ.get(variable, "")
    if not Path(path).is_file():
        pytest.fail(f"{variable}={path!r} is no program: run the tests with `./task test:gitops`")
    return path


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{' '.join(words[:4])}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def registry_host(tmp_path_factory):
    """Start distribution's registry on loopback; yield its host."""
    folder = tmp_path_factory.mktemp("registry")
    (port,) = ports.free(1)
    host = f"127.0.0.1:{port}"
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": host},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program("OCI_REGISTRY"), "serve", str(folder / "config.yml")],
            stdout=log,
            stderr=log,
            env={**os.environ, "OTEL_TRACES_EXPORTER": "none"},
        )
    try:
        _wait(host, process)
        yield host
    finally:
        process.terminate()
        process.wait(10)


def _wait(host, process):
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        assert process.poll() is None, "the registry ended"
        try:
            httpx.get(f"http://{host}/v2/").raise_for_status()
        except httpx.TransportError:
            assert time.monotonic() < deadline, "the registry does not answer"
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="session")
def release_chart(registry_host, tmp_path_factory):
    """Return what packages the repository's chart as a version and pushes it; gives its pin."""

    @functools.cache
    def release(version, **values):
        # Once a session: packages of the same chart differ in their times, so in their digests.
        folder = tmp_path_factory.mktemp(f"chart-{version}")
        chart = folder / "chart"
        shutil.copytree(ROOT / "chart", chart)
        defaults = (chart / "values.yaml").read_text()
        digests = f"sha256:{version.replace('.', '0'):f<64}"
        (chart / "values.yaml").write_text(defaults.replace('digest: ""', f'digest: "{digests}"'))
        package = ("--version", version, "--app-version", version)
        helm = program("HELM4")
        run(helm, "package", str(chart), *package, "--destination", str(folder))
        pushed = f"oci://{registry_host}/charts"
        run(helm, "push", str(folder / f"tradewind-{version}.tgz"), pushed, "--plain-http")
        chart_url = f"{pushed}/tradewind"
        found = Registry().digest(f"{chart_url}:{version}")
        return Pin(
            chart=chart_url,
            chart_version=version,
            chart_digest=found,
            app_version=version,
            git_commit="0" * 40,
            **values,
        )

    return release


@pytest.fixture
def estate(tmp_path):
    """Return a git server that has this repository's environments."""
    made = Estate(tmp_path)
    shutil.rmtree(made.clone / "environments")
    shutil.copytree(ROOT / "environments", made.clone / "environments")
    # No weekday is frozen in a test, whatever day it is.
    order = "environments: [{name: dev}, {name: staging, soak: 1h}, {name: prod, soak: 24h}]\n"
    made.merge({"environments/order.yaml": order})
    return made


@pytest.fixture
def command(estate, monkeypatch, capsys):
    """Run `tradewind promote …` in the clone; see `promote_in`."""
    monkeypatch.setenv("HELM", program("HELM4"))
    monkeypatch.setenv("KUBECONFORM", program("KUBECONFORM"))
    return promote_in(estate, monkeypatch, capsys)


@pytest.fixture(scope="session")
def schemas(tmp_path_factory):
    """Return kubeconform's location of Kubernetes' schemas."""
    script = ROOT / "tests" / "chart" / "schemas.py"
    folder = tmp_path_factory.mktemp("schemas")
    return run(sys.executable, str(script), str(folder), KUBERNETES).strip()


@pytest.fixture(scope="session")
def judged(tmp_path_factory):
    """Return what tells why the engines' definitions refuse documents; nothing: they take them."""
    folder = tmp_path_factory.mktemp("definitions")
    location = definitions.write(folder, ENGINES)

    def judge(documents):
        words = (program("KUBECONFORM"), "-strict", "-schema-location", location, "-output=json")
        done = subprocess.run(
            words,
            input=yaml.safe_dump_all(documents),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return [one["msg"] for one in json.loads(done.stdout).get("resources", [])]

    return judge


@pytest.fixture
def applied_by_argo(estate, tmp_path):
    """Return what makes an environment's Application as Argo CD does: Go's templates and sprig."""

    def expand(name):
        folder = tmp_path / f"generator-{name}"
        (folder / "templates").mkdir(parents=True)
        (folder / "Chart.yaml").write_text("{apiVersion: v2, name: generator, version: 0.0.0}")
        file = estate.clone / "environments" / "base" / "argocd" / "applicationset.yaml"
        template = yaml.safe_load(file.read_text())["spec"]["template"]
        text = yaml.safe_dump(
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Application"} | template
        )
        (folder / "templates" / "all.yaml").write_text(f"{{{{ with .Values }}}}{text}{{{{ end }}}}")
        found = estate.clone / "environments" / name / "release.yaml"
        generated = yaml.safe_load(found.read_text()) | {"path": {"basename": name}}
        values = folder / "generated.yaml"
        values.write_text(yaml.safe_dump(generated))
        return yaml.safe_load(run(program("HELM4"), "template", str(folder), f"--values={values}"))

    return expand


@pytest.fixture
def kustomized(estate):
    """Return what builds an environment's folder as Flux does: its documents."""

    def build(name):
        text = run(program("KUBECTL"), "kustomize", str(estate.clone / "environments" / name))
        return list(yaml.safe_load_all(text))

    return build
