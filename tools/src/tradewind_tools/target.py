"""Which cluster and registry a verb works on.

`CLUSTER=local` is the cluster that we start ourselves, with its own kubeconfig. `CLUSTER=current`
is one that the user names by CONTEXT and REGISTRY, and by NAMESPACE where ours is not to be used; a
kubeconfig's current-context is never used, since the user did not say it.
Nothing here starts, changes or contacts a cluster.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tradewind_tools import paths
from tradewind_tools.cluster import layout
from tradewind_tools.errors import ToolError

LOCAL = "local"
NAMED = "current"
EXAMPLE = "CLUSTER=current CONTEXT=kind-dev REGISTRY=registry.example:5000/team ./task up"
NAMESPACE = "tradewind"
"""Of the release, unless a named cluster gets another."""
NAMESPACE_FORM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
REGISTRY_FORM = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster and the registry that its nodes pull from."""

    name: str
    """Short name for folders and messages."""
    kubeconfigs: tuple[Path, ...]
    context: str
    registry: str
    """`host[:port][/path]`, without scheme."""
    is_local: bool
    namespace: str = NAMESPACE
    """Where the release lives."""

    @property
    def kubectl_arguments(self) -> list[str]:
        """Arguments that pin kubectl to this cluster, whatever the kubeconfig's current one is."""
        return ["--context", self.context]

    @property
    def helm_arguments(self) -> list[str]:
        """Arguments that pin helm to this cluster."""
        return ["--kube-context", self.context]

    @property
    def environment(self) -> dict[str, str]:
        """Variables for programs that work on this cluster, tests among them."""
        return {
            "KUBECONFIG": os.pathsep.join(map(str, self.kubeconfigs)),
            "CONTEXT": self.context,
            "REGISTRY": self.registry,
            "NAMESPACE": self.namespace,
        }

    @property
    def folder(self) -> Path:
        """Files about what runs on this cluster."""
        return paths.state_dir() / "targets" / self.name


def resolve(environment: Mapping[str, str]) -> Target:
    """Return the target that the variables name; raises ToolError on anything unclear."""
    choice = environment.get("CLUSTER") or LOCAL
    if choice == LOCAL:
        return _local(environment)
    if choice == NAMED:
        return _named(environment)
    raise ToolError(f"CLUSTER={choice} is unknown: use local or current, such as {EXAMPLE}")


def _local(environment: Mapping[str, str]) -> Target:
    for variable in ("CONTEXT", "REGISTRY", "NAMESPACE"):
        if value := environment.get(variable):
            raise ToolError(
                f"{variable}={value} is set but CLUSTER=current is not: add CLUSTER=current, "
                f"or unset {variable} for the local cluster"
            )
    return Target(
        name=LOCAL,
        kubeconfigs=(layout.Layout(paths.state_dir()).kubeconfig,),
        context=layout.CONTEXT,
        registry=layout.REGISTRY,
        is_local=True,
    )


def _named(environment: Mapping[str, str]) -> Target:
    files = kubeconfig_files(environment)
    known = contexts(files)
    context = environment.get("CONTEXT", "")
    listed = f"{', '.join(known) or 'none'} (in {', '.join(map(str, files))})"
    if not context:
        raise ToolError(f"CLUSTER=current needs CONTEXT=NAME, one of: {listed}")
    if context not in known:
        raise ToolError(f"no context {context!r}: choose one of {listed}")
    registry = environment.get("REGISTRY", "").rstrip("/")
    if not registry:
        raise ToolError(
            "CLUSTER=current needs REGISTRY=HOST[:PORT][/PATH], which you can push to and the "
            f"cluster can pull from, such as {EXAMPLE}"
        )
    if not REGISTRY_FORM.fullmatch(registry):
        raise ToolError(f"REGISTRY={registry} is not HOST[:PORT][/PATH]: leave out the scheme")
    namespace = environment.get("NAMESPACE") or NAMESPACE
    if not NAMESPACE_FORM.fullmatch(namespace):
        raise ToolError(
            f"NAMESPACE={namespace} is no name of a namespace: use at most 63 lower-case letters, "
            "digits and dashes"
        )
    folder = re.sub(r"[^\w.-]+", "_", context, flags=re.ASCII).lstrip(".")
    return Target(
        name=f"{folder}.{namespace}.context",
        kubeconfigs=tuple(files),
        context=context,
        registry=registry,
        is_local=False,
        namespace=namespace,
    )


def kubeconfig_files(environment: Mapping[str, str]) -> list[Path]:
    """Return the kubeconfig files that exist; like kubectl, a listed one may be missing."""
    listed = environment.get("KUBECONFIG")
    names = listed.split(os.pathsep) if listed else ["~/.kube/config"]
    files = [Path(name).expanduser() for name in names if name]
    if existing := [file for file in files if file.is_file()]:
        return existing
    missing = ", ".join(map(str, files))
    raise ToolError(
        f"no kubeconfig file at {missing}: set KUBECONFIG to one that holds the context, or leave "
        "out CLUSTER for the local cluster"
    )


def contexts(files: list[Path]) -> list[str]:
    """Return the names of all contexts in the files, in order; raises ToolError on bad YAML."""
    names: list[str] = []
    for file in files:
        try:
            document: Any = yaml.safe_load(file.read_text())
        except (yaml.YAMLError, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise ToolError(
                f"{file} cannot be read as a kubeconfig ({reason}): repair it"
            ) from error
        entries = document.get("contexts") if isinstance(document, dict) else None
        found = entries if isinstance(entries, list) else []
        names += [entry["name"] for entry in found if isinstance(entry, dict) and "name" in entry]
    return list(dict.fromkeys(names))


def require_running(target: Target) -> None:
    """Raise ToolError at once when the local cluster is not there, or not ours to use."""
    if not target.is_local:
        return
    (kubeconfig,) = target.kubeconfigs
    if not kubeconfig.exists():
        raise ToolError("the local cluster does not run: start everything with ./task up")
    if not os.access(kubeconfig, os.R_OK):
        raise ToolError(f"{kubeconfig} belongs to root: use sudo, or name a cluster: {EXAMPLE}")
