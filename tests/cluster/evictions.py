"""Evicting a pod, as a drain of its node does."""

import json

from tradewind_tools import kubectl


def evict(target, airflow, name):
    path = f"/api/v1/namespaces/{airflow.namespace}/pods/{name}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction"}
    body["metadata"] = {"name": name, "namespace": airflow.namespace}
    kubectl.run(target, "create", "--raw", path, "-f", "-", text_input=json.dumps(body))
