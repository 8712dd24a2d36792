"""What the local cluster holds before anything is installed: DNS rights, a class, volumes."""

from typing import Any

import yaml

from tradewind_tools.cluster.layout import (
    NODE_NAME,
    STORAGE_CLASS,
    VOLUME_SIZE,
    VOLUMES,
    Layout,
)

LABELS = {"app.kubernetes.io/managed-by": "tradewind-tools"}


def render(layout: Layout) -> str:
    """Return all objects as one YAML stream."""
    objects = [*_dns_rights(), _storage_class(), *volumes(layout)]
    return yaml.safe_dump_all(objects, sort_keys=False)


def volumes(layout: Layout) -> list[dict[str, Any]]:
    """Return the volumes. `local` ones, since only those get a pod's fsGroup applied."""
    return [_volume(f"local-{number}", layout) for number in range(1, VOLUMES + 1)]


def _volume(name: str, layout: Layout) -> dict[str, Any]:
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE_NAME]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": LABELS},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "local": {"path": str(layout.volumes / name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
        },
    }


def _storage_class() -> dict[str, Any]:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": STORAGE_CLASS, "labels": LABELS, "annotations": default},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": "WaitForFirstConsumer",
    }


def _dns_rights() -> list[dict[str, Any]]:
    read = ["list", "watch"]
    group = "rbac.authorization.k8s.io"
    metadata = {"name": "tradewind-coredns", "labels": LABELS}
    rules = [
        {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
    ]
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": metadata["name"]},
            "subjects": [{"apiGroup": group, "kind": "User", "name": "system:coredns"}],
        },
    ]
