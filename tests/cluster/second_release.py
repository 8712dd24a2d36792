"""Another release of the chart beside the one under test, in a namespace of its own."""

import os
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path

import yaml

from tradewind.provider import EXECUTOR
from tradewind_tools import airflow_api, command, images, kubectl, release

INSTALL_TIMEOUT_S = 600.0
DAGS_VOLUME = {"name": "more-dags", "configMap": {"name": "more-dags"}}


ENVIRONMENT = (release.VALUES,)


@contextmanager
def installed(
    target, *, helm, executor, dags=(), more=None, chart=release.CHART, environment=ENVIRONMENT
):
    """Install the chart with another executor; yield a client of its API, and remove it.

    `dags` are files that its components and tasks see, `more` are values over all others,
    `environment` are values files under them, `chart` is the chart's folder. Unless the values say
    so it has neither the example DAGs, whose parsing costs as much as all the rest of an
    installation, nor a triggerer. The client knows its `namespace`.
    """
    namespace = f"reference-{secrets.token_hex(3)}"
    try:
        kubectl.run(target, "create", "namespace", namespace)
        if dags:
            files = [f"--from-file={file}" for file in dags]
            kubectl.run(target, "-n", namespace, "create", "configmap", "more-dags", *files)
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, "values.yaml"), Path(folder, "more.yaml")]
            files[0].write_text(yaml.safe_dump(values(executor, dags)))
            files[1].write_text(yaml.safe_dump(more or {}))
            files = [*environment, images.values_file(target), *files]
            _install(target, helm=helm, namespace=namespace, chart=chart, files=files)
        with airflow_api.connect(target, namespace=namespace) as airflow:
            airflow.namespace = namespace
            yield airflow
    finally:
        kubectl.run(target, "delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def ours(target, *, dags, more, chart=release.CHART):
    """Install the chart with our executor, see `installed`."""
    helm = os.environ["HELM3"]
    return installed(target, helm=helm, executor=EXECUTOR, dags=dags, more=more, chart=chart)


def values(executor, dags):
    # File by file: Airflow refuses the links by which a whole ConfigMap is mounted.
    mounts = [
        {"name": "more-dags", "mountPath": f"/opt/dags/{file.name}", "subPath": file.name}
        for file in dags
    ]
    mounted = {"volumes": [DAGS_VOLUME], "volumeMounts": mounts} if mounts else {}
    return {
        # No warm pool: who wants one says so.
        "executor": {"class": executor, "podTemplate": mounted, "warmPools": None},
        "dagProcessor": mounted,
        "triggerer": {"enabled": False},
        "airflow": {"config": {"core": {"load_examples": False}}},
    }


def changed(target, *, helm, namespace, more):
    """Change values of a release that is installed; what they restart is there again."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "more.yaml")
        file.write_text(yaml.safe_dump(more))
        arguments = ["upgrade", airflow_api.RELEASE, str(release.CHART), "--reuse-values"]
        run_helm(target, *arguments, "--values", str(file), helm=helm, namespace=namespace)


def _install(target, *, helm, namespace, chart, files):
    arguments = ["install", airflow_api.RELEASE, str(chart)]
    for file in files:
        arguments += ["--values", str(file)]
    run_helm(target, *arguments, helm=helm, namespace=namespace)


def run_helm(target, *arguments, helm, namespace):
    """Run Helm on the release of a namespace, and let it wait for the end of what it does."""
    words = [helm, *arguments, "--namespace", namespace, "--wait", "--timeout", "8m"]
    environment = kubectl.environment(target)
    words += target.helm_arguments
    command.run(words, environment=environment, timeout_s=INSTALL_TIMEOUT_S)
