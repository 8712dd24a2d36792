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


@contextmanager
def installed(target, *, helm, executor, dags=(), more=None):
    """Install the chart with another executor; yield a client of its API, and remove it.

    `dags` are files that its components and tasks see, `more` are values over all others. Unless
    they say so it has neither the example DAGs, whose parsing costs as much as all the rest of an
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
            _install(target, helm, namespace, files)
        with airflow_api.connect(target, namespace=namespace) as airflow:
            airflow.namespace = namespace
            yield airflow
    finally:
        kubectl.run(target, "delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def ours(target, *, dags, more):
    """Install the chart with our executor, see `installed`."""
    return installed(target, helm=os.environ["HELM3"], executor=EXECUTOR, dags=dags, more=more)


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
        _helm(target, helm, namespace, [*arguments, "--values", str(file)])


def _install(target, helm, namespace, files):
    arguments = ["install", airflow_api.RELEASE, str(release.CHART)]
    for file in [release.VALUES, images.values_file(target), *files]:
        arguments += ["--values", str(file)]
    _helm(target, helm, namespace, arguments)


def _helm(target, helm, namespace, arguments):
    arguments += ["--namespace", namespace, "--wait", "--timeout", "8m", *target.helm_arguments]
    environment = kubectl.environment(target)
    command.run([helm, *arguments], environment=environment, timeout_s=INSTALL_TIMEOUT_S)
