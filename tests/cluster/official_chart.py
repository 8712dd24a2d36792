"""Airflow's own chart and image with Tradewind in them, as docs/install.md says.

No file of the chart is in this repository: it is read from a folder that the caller has. The image
is the nearest thing that can be built where no registry answers, see official_image/Dockerfile.
"""

import json
import os
import secrets
import shutil
from contextlib import contextmanager

import httpx
import yaml
from rollouts import await_rollouts

from tradewind_tools import (
    airflow_api,
    base_image,
    builder,
    command,
    forward,
    images,
    kubectl,
    paths,
)

EXAMPLES = paths.CHECKOUT / "docs" / "examples" / "official-chart"
RELEASE = "air"
REPOSITORY = "official/airflow-tradewind"
VERSION = "3.3.2"
COMPONENTS = ("api-server", "dag-processor", "scheduler")
BUILD_TIMEOUT_S = 1200
INSTALL_TIMEOUT_S = 900
READY_TIMEOUT_S = 300
NO_ENV = {name: {"env": []} for name in ("scheduler", "apiServer", "dagProcessor")}
"""What the way back to the KubernetesExecutor takes out of the example's values."""


def push_image(target):
    """Build what a user builds on the official image, on what stands in for it, and push it."""
    own = builder.ensure()
    official, reference = "official/airflow", f"{target.registry}/{REPOSITORY}:{VERSION}"
    images.build_wheel()
    stand_in = paths.CHECKOUT / "tests" / "cluster" / "official_image" / "Dockerfile"
    _build(own, stand_in, tag=official, argument=f"BASE_IMAGE={base_image.ensure(own)}")
    _build(own, EXAMPLES / "Dockerfile", tag=reference, argument=f"AIRFLOW_IMAGE={official}")
    command.run([*own.docker, "push", "--quiet", reference], timeout_s=BUILD_TIMEOUT_S)


def _build(own, file, *, tag, argument):
    arguments = ["--tag", tag, "--file", str(file), "--network", "host", "--build-arg", argument]
    if bundle := os.environ.get("SSL_CERT_FILE"):
        arguments += ["--secret", f"id=ca,src={bundle}"]
    build = ["env", "DOCKER_BUILDKIT=1", *own.docker, "build", "--quiet", *arguments]
    command.run([*build, str(paths.CHECKOUT)], timeout_s=BUILD_TIMEOUT_S)


def without_dependencies(chart, folder):
    """Return a copy of the chart that does without the subchart of a database."""
    copy = shutil.copytree(chart, folder / "chart")
    description = yaml.safe_load((copy / "Chart.yaml").read_text())
    description.pop("dependencies", None)
    (copy / "Chart.yaml").write_text(yaml.safe_dump(description))
    (copy / "Chart.lock").unlink(missing_ok=True)
    return copy


class OfficialRelease:
    """A release of the chart in a namespace of its own, with a database beside it."""

    def __init__(self, target, *, helm, chart, folder, dag_file):
        self.namespace = f"official-{secrets.token_hex(3)}"
        self._target = target
        self._helm = helm
        self._chart = chart
        self._folder = folder
        self._dag_file = dag_file
        self._password = secrets.token_hex(12)

    def __enter__(self):
        self.kubectl("create", "namespace", self.namespace, namespaced=False)
        file = f"--from-file={self._dag_file}"
        self.kubectl("create", "configmap", "dags", file)
        database = yaml.safe_dump_all(self._database())
        self.kubectl("apply", "-f", "-", text_input=database)
        return self

    def __exit__(self, *_):
        flags = ("--wait=false", "--ignore-not-found")
        self.kubectl("delete", "namespace", self.namespace, *flags, namespaced=False)

    def kubectl(self, *words, namespaced=True, text_input=None):
        where = ("-n", self.namespace) if namespaced else ()
        return kubectl.run(self._target, *where, *words, text_input=text_input)

    def install(self, *, more=None):
        """Install or upgrade the release; `more` are values over the example's."""
        arguments = ["upgrade", "--install", RELEASE, str(self._chart), "-n", self.namespace]
        arguments += ["--values", str(EXAMPLES / "values.yaml")]
        for name, values in {"here": self._values(), "more": more or {}}.items():
            file = self._folder / f"{name}.yaml"
            file.write_text(yaml.safe_dump(values))
            arguments += ["--values", str(file)]
        command.run(
            [self._helm, *arguments, "--timeout", "12m", *self._target.helm_arguments],
            environment=kubectl.environment(self._target),
            timeout_s=INSTALL_TIMEOUT_S,
        )
        names = [f"{RELEASE}-{component}" for component in COMPONENTS]
        await_rollouts(self._target, *names, namespace=self.namespace, timeout_s=READY_TIMEOUT_S)

    @contextmanager
    def api(self):
        """Give a client for the user that the chart makes by default."""
        user = airflow_api.Credentials(username="admin", password="admin")
        service = f"{RELEASE}-api-server"
        with (
            forward.PortForward(
                self._target, service=service, port=8080, namespace=self.namespace
            ) as port,
            httpx.Client(timeout=airflow_api.ANSWER_TIMEOUT_S, trust_env=False) as http,
        ):
            yield airflow_api.Airflow(port.url, user=user, http=http)

    def doctor(self):
        """Return what the doctor finds in the scheduler's container."""
        # Its exit code says the same as its findings.
        said = self.kubectl(
            *("exec", f"deploy/{RELEASE}-scheduler", "-c", "scheduler", "--"),
            *("bash", "-c", "airflow tradewind doctor --json 2>/dev/null || true"),
        )
        return json.loads(said[said.index("[") :])

    def story(self, api, dag_id, run_id):
        """Return what is known of a run that did not succeed, for the failure of a test."""
        logs = ("logs", "-l", "component=scheduler", "-c", "scheduler", "--prefix", "--tail=80")
        instances = [
            (item["task_id"], item["map_index"], item["state"], item["hostname"])
            for item in api.task_instances(dag_id, run_id)
        ]
        pods = self.kubectl("get", "pods", "-o=wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp")[-3000:]
        ended = self.kubectl("logs", "-l", "kubernetes_executor", "--prefix", "--tail=30")
        return "\n".join([str(instances), pods, events, ended, self.kubectl(*logs)])

    def _values(self):
        """Return what is this cluster's own: images, database, DAGs, a slow machine."""
        mount = {
            "name": "dags",
            "mountPath": f"/opt/airflow/dags/{self._dag_file.name}",
            "subPath": self._dag_file.name,
        }
        # Without requests they would get what is left of the processor, which may be nothing.
        share = {"resources": {"requests": {"cpu": "250m"}}}
        patient = share | {"livenessProbe": {"timeoutSeconds": 60}}
        slow = patient | {"startupProbe": {"timeoutSeconds": 60, "failureThreshold": 60}}
        # A script of the official image that ours does not have; it deletes old log files.
        no_groomer = {"logGroomerSidecar": {"enabled": False}}
        repository = f"{self._target.registry}/{REPOSITORY}"
        return {
            "images": {
                "airflow": {"repository": repository, "tag": VERSION},
                "migrationsWaitTimeout": 300,
            },
            "volumes": [{"name": "dags", "configMap": {"name": "dags"}}],
            "volumeMounts": [mount],
            "data": {
                "metadataConnection": {
                    "host": "database",
                    "user": "airflow",
                    "pass": self._password,
                    "db": "airflow",
                }
            },
            # The chart makes new ones at every upgrade, under which running tasks would fail.
            "jwtSecret": self._password * 3,
            "apiSecretKey": self._password,
            "postgresql": {"enabled": False},
            "statsd": {"enabled": False},
            "triggerer": {"enabled": False},
            "scheduler": slow | no_groomer,
            "apiServer": slow,
            "dagProcessor": patient | no_groomer,
            "migrateDatabaseJob": share,
            "createUserJob": share,
            "workers": share,
        }

    def _database(self):
        values = yaml.safe_load(images.values_file(self._target).read_text())
        image = values["postgresql"]["image"]
        labels = {"app": "database"}
        pod = {
            "securityContext": {"runAsUser": 50001, "runAsNonRoot": True, "fsGroup": 50001},
            "containers": [
                {
                    "name": "postgresql",
                    "resources": {"requests": {"cpu": "100m"}},
                    "image": f"{image['registry']}/{image['repository']}@{image['digest']}",
                    "env": [
                        {"name": "PGDATA", "value": "/var/lib/tradewind-postgresql/17"},
                        {"name": "PASSWORD_FILE", "value": "/run/secrets/tradewind/password"},
                    ],
                    "volumeMounts": [
                        {"name": "data", "mountPath": "/var/lib/tradewind-postgresql"},
                        {"name": "password", "mountPath": "/run/secrets/tradewind"},
                    ],
                }
            ],
            "volumes": [
                {"name": "data", "emptyDir": {}},
                {"name": "password", "secret": {"secretName": "database"}},
            ],
        }
        return [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "database"},
                "stringData": {"password": self._password},
            },
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "database", "labels": labels},
                "spec": pod,
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "database"},
                "spec": {"selector": labels, "ports": [{"port": 5432}]},
            },
        ]
