"""Evaluate NetworkPolicies as Kubernetes defines them, over rendered documents.

A connection is allowed when the sender's side and the receiver's side both allow it. A side without
a policy that selects its pod allows everything; with one, only what a rule of any of them names.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from rendered import Document, of_kind

NAMESPACE_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One end of a connection: a pod (labels and namespace), or an address outside."""

    labels: tuple[tuple[str, str], ...] = ()
    namespace: str = ""
    address: str = ""


def matches(selector: Document, labels: dict[str, str]) -> bool:
    """Tell whether a label selector picks these labels; an empty one picks everything."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for expression in selector.get("matchExpressions", []):
        found, values = labels.get(expression["key"]), expression.get("values", [])
        holds = {
            "In": found in values,
            "NotIn": found not in values,
            "Exists": found is not None,
            "DoesNotExist": found is None,
        }[expression["operator"]]
        if not holds:
            return False
    return True


def is_peer(peer: Document, end: End, *, policy_namespace: str) -> bool:
    """Tell whether a peer of a rule names this end."""
    if "ipBlock" in peer:
        if not end.address:
            return False
        address, block = ipaddress.ip_address(end.address), peer["ipBlock"]
        inside = address in ipaddress.ip_network(block["cidr"])
        excepted = any(address in ipaddress.ip_network(c) for c in block.get("except", []))
        return inside and not excepted
    if end.address:
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {NAMESPACE_LABEL: end.namespace}):
            return False
    elif end.namespace != policy_namespace:
        return False
    return matches(peer.get("podSelector", {}), dict(end.labels))


def side_allows(
    documents: list[Document], own: End, other: End, *, side: str, port: int, protocol: str
) -> bool:
    """Judge one side: `side` is Ingress of the receiver or Egress of the sender."""
    if own.address:
        return True
    direction, peers = ("ingress", "from") if side == "Ingress" else ("egress", "to")
    selecting = [
        policy
        for policy in of_kind(documents, "NetworkPolicy")
        if policy["metadata"]["namespace"] == own.namespace
        and side in policy["spec"]["policyTypes"]
        and matches(policy["spec"]["podSelector"], dict(own.labels))
    ]
    rules: list[tuple[str, Any]] = [
        (policy["metadata"]["namespace"], rule)
        for policy in selecting
        for rule in policy["spec"].get(direction, [])
    ]
    return not selecting or any(
        _has_port(rule, port=port, protocol=protocol)
        and (
            not rule.get(peers)
            or any(is_peer(p, other, policy_namespace=namespace) for p in rule[peers])
        )
        for namespace, rule in rules
    )


def _has_port(rule: Document, *, port: int, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(
        item.get("port", port) == port and item.get("protocol", "TCP") == protocol for item in ports
    )


def allowed(
    documents: list[Document], sender: End, receiver: End, *, port: int, protocol: str = "TCP"
) -> bool:
    """Tell whether the policies of these documents let a connection through."""
    words = {"port": port, "protocol": protocol}
    return side_allows(documents, sender, receiver, side="Egress", **words) and side_allows(
        documents, receiver, sender, side="Ingress", **words
    )
