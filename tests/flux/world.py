"""A company that follows docs/gitops.md: git server, registry, cluster with Flux, people."""

import copy
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml
from dag_runs import until
from estate import Estate
from releases import Releases
from second_release import values as small_values

from tradewind.promotion import cluster, order
from tradewind.promotion.pins import parse
from tradewind.provider import EXECUTOR
from tradewind_tools import airflow_api, kubectl, paths

SOAK_S = 90
ORDER = f"""\
environments:
  - {{name: dev}}
  - {{name: staging, soak: {SOAK_S}s}}
  - {{name: prod, soak: 24h}}
"""
INSTALLED = ("dev", "staging")
SECRETS = ("airflow-keys", "airflow-admin", "airflow-database")
DAG_FILE = Path(__file__).parents[1] / "cluster" / "dags" / "steady.py"
APPLIED_WITHIN_S = 120
READY_WITHIN_S = 600
POLL_S = 0.5


class World:
    """Everything that one release passes on its way, and what people do to it."""

    def __init__(self, target, *, folder, address, timeline, images):
        self.target, self.address, self.timeline = target, address, timeline
        self.releases = Releases(target, images)
        self.estate = Estate(folder)
        self._begin()

    def _begin(self):
        """Put this repository's environments into the one that the cluster follows."""
        folder = self.estate.clone / "environments"
        shutil.rmtree(folder)
        shutil.copytree(paths.CHECKOUT / "environments", folder)
        changes = {
            "base/flux/cluster.yaml": ("https://git.example.com/data/airflow.git", self.address),
            # The registry on loopback speaks plain HTTP.
            "base/flux/chart.yaml": ("  interval: 10m\n", "  interval: 10m\n  insecure: true\n"),
        }
        for path, (old, new) in changes.items():
            text = (folder / path).read_text()
            assert old in text, f"{path} has no {old!r}"
            (folder / path).write_text(text.replace(old, new))
        for name in INSTALLED:
            (folder / name / "values.yaml").write_text(small(name))
        self.estate.merge({order.PATH: ORDER}, message="Begin")
        hook = self.estate.origin / "hooks" / "pre-receive"
        shutil.copy(folder / "base" / "guard" / "pre-receive", hook)
        self.estate.git_in(self.estate.origin, "config", "http.receivepack", "true")
        self.estate.git("remote", "set-url", "origin", self.address)

    def promote(self, *words):
        """Run `tradewind promote` as people do; return exit code, all it said, and seconds."""
        began = time.monotonic()
        done = subprocess.run(
            [str(Path(sys.executable).parent / "tradewind"), "promote", *words],
            cwd=self.estate.clone,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        # Sentences are wrapped, and framed, for people.
        said = " ".join(f"{done.stdout} {done.stderr}".replace("│", " ").split())
        return done.returncode, said, time.monotonic() - began

    def push(self, files, *, message="Change"):
        """Push a commit straight to main; return what the server refused it with."""
        self.estate.git("fetch", "--quiet", "origin")
        self.estate.git("reset", "--quiet", "--hard", "origin/main")
        self.estate.commit(files, message=message)
        try:
            self.estate.git("push", "--quiet", "origin", "HEAD:main")
        except subprocess.CalledProcessError as error:
            self.estate.git("reset", "--quiet", "--hard", "origin/main")
            # Git marks each line of what the hook says.
            return " ".join(error.stderr.replace("remote: ", " ").split())
        return ""

    def merge(self, branch):
        """Merge a branch as a forge does, judged by the server's hook; return the commit."""
        self.estate.git("fetch", "--quiet", "origin")
        self.estate.git("reset", "--quiet", "--hard", "origin/main")
        self.estate.git("merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
        self.estate.git("push", "--quiet", "origin", "HEAD:main")
        return self.estate.git("rev-parse", "HEAD")

    def pinned(self, name):
        path = order.release_path(name)
        return parse(self.estate.show(f"main:{path}"), path=path)

    def kubectl(self, *words, **more):
        return kubectl.run(self.target, *words, **more)

    def documented(self, heading, block, *, name, folder=None):
        """Run a shell block of docs/gitops.md, word for word but for the environment's name."""
        text = blocks(heading)[block].replace("airflow-dev", f"airflow-{name}")
        text = text.replace("s/ENVIRONMENT/dev/", f"s/ENVIRONMENT/{name}/")
        done = subprocess.run(
            ["sh", "-euc", text],
            cwd=folder or self.estate.clone,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"

    def begin(self, name):
        """Do what docs/gitops.md says of an environment's first day, and give it a DAG."""
        self.documented("Secrets", 0, name=name)
        self._add_dag(name)
        self.documented("Begin with Flux", 0, name=name)

    def begin_again(self, name, secrets):
        """Do it once more, with the Secrets that were kept."""
        self.kubectl("create", "namespace", f"airflow-{name}")
        self.kubectl("apply", "-f", "-", text_input=json.dumps(secrets))
        self._add_dag(name)
        self.documented("Begin with Flux", 0, name=name)

    def secrets(self, name):
        """Return an environment's Secrets as a store keeps them: names and contents."""
        words = ("get", "secrets", *SECRETS, "-n", f"airflow-{name}", "-o", "json")
        items = [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": item["metadata"]["name"], "namespace": f"airflow-{name}"},
                "data": item["data"],
            }
            for item in json.loads(self.kubectl(*words))["items"]
        ]
        return {"apiVersion": "v1", "kind": "List", "items": items}

    def _add_dag(self, name):
        file = f"--from-file={DAG_FILE}"
        self.kubectl("-n", f"airflow-{name}", "create", "configmap", "more-dags", file)

    def asked(self, name):
        """Return what Flux says of an environment's HelmRelease, and when it tried it last."""
        words = ("get", cluster.FLUX, "tradewind", "-n", f"airflow-{name}", "-o", "json")
        text = self.kubectl(*words, "--ignore-not-found")
        document = json.loads(text) if text.strip() else {}
        status = document.get("status") or {}
        return cluster.parse_flux(document), status

    def await_release(self, name, pin, *, since, what):
        """Wait until an environment runs a pin; tell the timeline when it came and was ready.

        Returns (seconds until Helm began with it, seconds until it was ready), from `since`.
        """

        def attempted():
            _, status = self.asked(name)
            return str(status.get("lastAttemptedRevision", "")).startswith(pin.chart_version)

        def ready():
            applied, _ = self.asked(name)
            return applied.runs(pin) and applied.ready_since is not None

        until(attempted, what=lambda: self.why(name), timeout_s=APPLIED_WITHIN_S, every_s=POLL_S)
        begun_s = time.monotonic() - since
        until(ready, what=lambda: self.why(name), timeout_s=READY_WITHIN_S, every_s=POLL_S)
        took_s = time.monotonic() - since
        figure = f"{begun_s:.1f} s + {took_s - begun_s:.1f} s rollout"
        self.timeline.add(name, f"{what}: {pin.chart_version} is ready", figure)
        return begun_s, took_s

    def why(self, name):
        """Return what Flux and the pods say, for a failure."""
        listed = self.kubectl("get", "pods", "-n", f"airflow-{name}", "-o", "wide")
        words = ("get", "gitrepositories,kustomizations,ocirepositories,helmreleases", "-A")
        return f"{self.asked(name)}\n{self.kubectl(*words)}\n{listed}"

    def airflow(self, name):
        return airflow_api.connect(
            self.target,
            namespace=f"airflow-{name}",
            secret="airflow-admin",
        )


def small(name):
    """Return values of an environment that a machine with two cores can hold beside another."""
    text = (paths.CHECKOUT / "environments" / "dev" / "values.yaml").read_text()
    values = merged(yaml.safe_load(text), small_values(EXECUTOR, [DAG_FILE]))
    return yaml.safe_dump(merged(values, {"airflow": {"env": {"ENVIRONMENT": name}}}))


def merged(one, other):
    found = copy.deepcopy(one)
    for key, value in other.items():
        both = isinstance(found.get(key), dict) and isinstance(value, dict)
        found[key] = merged(found[key], value) if both else value
    return found


def blocks(heading):
    """Return the shell blocks of a section of docs/gitops.md."""
    text = (paths.CHECKOUT / "docs" / "gitops.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [part.partition("```")[0] for part in section.split("```sh\n")[1:]]
