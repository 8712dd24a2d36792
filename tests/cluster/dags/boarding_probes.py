"""What users' code gets for the token of its pod, and a pod that asks before its worker does."""

import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path

from airflow.sdk import dag, task
from kubernetes.client import models as k8s

BOARD_URL = os.environ.get("TRADEWIND_BOARD_URL", "")
AIRFLOW = BOARD_URL.removesuffix("/tradewind/v1/board")
TOKEN_FILE = Path("/var/run/secrets/tradewind/token")
SECRETS = Path("/var/run/secrets")
ASK_TWICE = """
import json, os, sys, time, urllib.request

def ask():
    body = {"protocol": 1, "template": os.environ["TRADEWIND_TEMPLATE"], "hold": 0}
    token = open("/var/run/secrets/tradewind/token").read().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = os.environ["TRADEWIND_BOARD_URL"]
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status, json.load(answer)

(first, one), _, (second, two) = ask(), time.sleep(1.5), ask()
same, fresh = one["ti"] == two["ti"], one["token"] != two["token"]
print(f"asked twice: {first} {second}, same launch: {same}, another token: {fresh}", flush=True)
time.sleep(1.5)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def ask(url, *, token="", body=None):
    """Return [status, what was answered where that is no page]; status 0 without an answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(
            request, timeout=15, context=ssl._create_unverified_context()
        ) as answer:
            return [answer.status, answer.read().decode()[:300]]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()[:300]]
    except OSError as error:
        return [0, type(error).__name__]


@dag(schedule=None)
def boarding_probes():
    @task
    def steal():
        """Use the token of this very pod for whatever it might open."""
        token = TOKEN_FILE.read_text().strip()
        host, port = (os.environ[f"KUBERNETES_SERVICE_{name}"] for name in ("HOST", "PORT"))
        kubernetes = f"https://{host}:{port}"
        return {
            "board": ask(BOARD_URL, token=token, body={"protocol": 1, "hold": 0}),
            "kubernetes pods": ask(f"{kubernetes}/api/v1/pods", token=token),
            "kubernetes keys": ask(f"{kubernetes}/openid/v1/jwks", token=token),
            "airflow api": ask(f"{AIRFLOW}/api/v2/connections", token=token),
            "airflow variables": ask(f"{AIRFLOW}/execution/variables/x", token=token),
            "airflow connections": ask(f"{AIRFLOW}/execution/connections/x", token=token),
            "secrets": sorted(
                str(path.relative_to(SECRETS)) for path in SECRETS.rglob("token") if path.is_file()
            ),
            "variables": sorted(name for name, value in os.environ.items() if "eyJ" in value),
        }

    steal()


@dag(schedule=None)
def boarding_asked_twice():
    @task(
        executor_config={
            "tradewind": {"delivery": "boarding"},
            "pod_override": k8s.V1Pod(
                spec=k8s.V1PodSpec(
                    containers=[k8s.V1Container(name="base", command=["python", "-c", ASK_TWICE])]
                )
            ),
        }
    )
    def work():
        """Run after the pod has asked twice for its workload."""

    work()


@dag(schedule=None)
def boarding_by_args():
    @task(executor_config={"tradewind": {"delivery": "args"}})
    def work():
        """Stand in the pod's spec, token and all."""

    work()


boarding_probes()
boarding_asked_twice()
boarding_by_args()
