"""What the executor may do in the cluster, must be able to do, and better could not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from tradewind.doctor.findings import Finding, fail, ok, warn

CHECK = "permissions"


class Need(Enum):
    """How the executor stands to a permission."""

    REQUIRED = auto()
    USEFUL = auto()
    EXCESSIVE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """One row of a Role, with what it is for."""

    verb: str
    resource: str
    subresource: str = ""
    need: Need
    purpose: str
    everywhere: bool = False
    """Whether it is needed cluster-wide when all namespaces are watched at once."""

    def __str__(self) -> str:
        target = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {target}"


PERMISSIONS: tuple[Permission, ...] = (
    Permission(verb="create", resource="pods", need=Need.REQUIRED, purpose="start tasks"),
    Permission(
        verb="get", resource="pods", need=Need.REQUIRED, purpose="recognise a pod of its own"
    ),
    Permission(
        verb="list", resource="pods", need=Need.REQUIRED, purpose="see pods", everywhere=True
    ),
    Permission(
        verb="watch", resource="pods", need=Need.REQUIRED, purpose="see pods end", everywhere=True
    ),
    Permission(verb="delete", resource="pods", need=Need.REQUIRED, purpose="remove pods"),
    Permission(
        verb="patch",
        resource="pods",
        need=Need.USEFUL,
        purpose="claim pods of warm pools, nor take over pods of Airflow's KubernetesExecutor",
    ),
    Permission(
        verb="get",
        resource="pods",
        subresource="log",
        need=Need.USEFUL,
        purpose="show the log of a running or dead pod",
    ),
    Permission(
        verb="list", resource="events", need=Need.USEFUL, purpose="say why a pod does not start"
    ),
    Permission(
        verb="create",
        resource="pods",
        subresource="exec",
        need=Need.EXCESSIVE,
        purpose="enter every pod of the namespace",
    ),
    Permission(
        verb="list", resource="secrets", need=Need.EXCESSIVE, purpose="read every secret there"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A permission in a namespace; empty means in all of them."""

    permission: Permission
    namespace: str


def questions(*, namespace: str, watched: Sequence[str]) -> list[Question]:
    """Return what to ask for, given the settings' namespace and the watched ones (none: all)."""
    if watched:
        return [Question(permission=p, namespace=name) for name in watched for p in PERMISSIONS]
    return [
        Question(permission=p, namespace="" if p.everywhere else namespace) for p in PERMISSIONS
    ]


def judge(answers: Iterable[tuple[Question, bool]]) -> list[Finding]:
    """Return one finding per namespace and kind of trouble, or one that all is well."""
    by_namespace: dict[str, list[tuple[Permission, bool]]] = {}
    for question, allowed in answers:
        by_namespace.setdefault(question.namespace, []).append((question.permission, allowed))
    return [
        finding for namespace, asked in by_namespace.items() for finding in _judge(namespace, asked)
    ]


def _judge(namespace: str, asked: Sequence[tuple[Permission, bool]]) -> list[Finding]:
    where = f"in namespace {namespace!r}" if namespace else "in all namespaces"
    role = f"the Role of namespace {namespace!r}" if namespace else "the ClusterRole"
    denied = [permission for permission, allowed in asked if not allowed]
    missing = [permission for permission in denied if permission.need is Need.REQUIRED]
    lacking = [permission for permission in denied if permission.need is Need.USEFUL]
    excess = [p for p, allowed in asked if allowed and p.need is Need.EXCESSIVE]
    findings = []
    if missing:
        findings.append(
            fail(CHECK, f"may not {_listed(missing)} {where}", f"add to {role}: {_rows(missing)}")
        )
    if lacking:
        lost = f"may not {_listed(lacking)} {where}, so it cannot {_purposes(lacking)}"
        findings.append(warn(CHECK, lost, f"add to {role}: {_rows(lacking)}"))
    if excess:
        surplus = f"may {_listed(excess)} {where}: whoever takes it over can {_purposes(excess)}"
        findings.append(warn(CHECK, surplus, f"take out of {role}: {_rows(excess)}"))
    return findings or [ok(CHECK, f"has what it needs {where}, and nothing that is known as risky")]


def _listed(permissions: Sequence[Permission]) -> str:
    return ", ".join(str(permission) for permission in permissions)


def _purposes(permissions: Sequence[Permission]) -> str:
    return " or ".join(permission.purpose for permission in permissions)


def _rows(permissions: Sequence[Permission]) -> str:
    """Return the permissions as a Role writes them: `pods [create, get]`."""
    verbs: dict[str, list[str]] = {}
    for permission in permissions:
        verbs.setdefault(str(permission).partition(" ")[2], []).append(permission.verb)
    return "; ".join(f"{target} [{', '.join(names)}]" for target, names in verbs.items())
