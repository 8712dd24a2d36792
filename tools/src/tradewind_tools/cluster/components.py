"""The command lines of the cluster's programs.

Order in `NAMES` is the order of starting; stopping goes backwards, so that the kubelet ends
before containerd and everything before etcd.
"""

from pathlib import Path

from tradewind_tools import packages, programs
from tradewind_tools.cluster import audit
from tradewind_tools.cluster.layout import (
    API_PORT,
    ETCD_PEER_URL,
    ETCD_URL,
    LOOPBACK,
    NODE_ADDRESS,
    NODE_NAME,
    POD_NETWORK,
    SERVICE_NETWORK,
    Layout,
)
from tradewind_tools.processes import Program

NAMES = (
    "registry",
    "etcd",
    "kube-apiserver",
    "containerd",
    "kube-controller-manager",
    "kube-scheduler",
    "coredns",
    "kube-proxy",
    "kubelet",
)
BINARIES = {
    "kubernetes": (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    ),
    "etcd": ("etcd",),
    "containerd": ("containerd", "containerd-shim-runc-v2", "ctr"),
    "coredns": ("coredns",),
    "registry": ("registry",),
}
"""Wrapper module -> binaries that the cluster uses."""


def build() -> dict[str, Path]:
    """Return the path of every binary, building what is missing."""
    found: dict[str, Path] = {}
    for module, binaries in BINARIES.items():
        found |= programs.ensure(module, binaries=binaries)
    return found


def all_programs(layout: Layout, *, binaries: dict[str, Path]) -> dict[str, Program]:
    """Return every program of the cluster by name, in the order of starting."""
    arguments = {
        "registry": ["serve", f"{layout.configs}/registry.yaml"],
        "etcd": _etcd(layout),
        "kube-apiserver": _apiserver(layout),
        "containerd": ["--config", f"{layout.configs}/containerd.toml"],
        "kube-controller-manager": _controller_manager(layout),
        "kube-scheduler": _scheduler(layout),
        "coredns": ["-conf", f"{layout.configs}/Corefile"],
        "kube-proxy": _proxy(layout),
        "kubelet": _kubelet(layout),
    }
    # containerd must find its own shim first: Debian's older one cannot talk to it.
    path = f"{binaries['containerd'].parent}:{packages.SYSTEM_PATH}"
    extra = {
        "containerd": {"PATH": path},
        "registry": {"OTEL_TRACES_EXPORTER": "none"},
    }
    return {
        name: Program(
            name=name,
            command=[str(binaries[name]), *arguments[name]],
            state=layout.state,
            environment=extra.get(name, {}),
        )
        for name in NAMES
    }


def _etcd(layout: Layout) -> list[str]:
    return [
        f"--data-dir={layout.local}/etcd",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={ETCD_PEER_URL}",
        f"--initial-advertise-peer-urls={ETCD_PEER_URL}",
        f"--initial-cluster=default={ETCD_PEER_URL}",
        # `down` deletes the data anyway; speed matters more than surviving a power cut.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--etcd-servers={ETCD_URL}",
        f"--bind-address={NODE_ADDRESS}",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki}/service-accounts.key",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        *audit.flags(
            policy_file=f"{layout.configs}/audit-policy.yaml", log_file=str(layout.audit_log)
        ),
        "--profiling=false",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--kubeconfig={pki}/controller-manager.kubeconfig",
        f"--bind-address={LOOPBACK}",
        f"--root-ca-file={pki}/ca.crt",
        f"--cluster-signing-cert-file={pki}/ca.crt",
        f"--cluster-signing-key-file={pki}/ca.key",
        f"--service-account-private-key-file={pki}/service-accounts.key",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--profiling=false",
    ]


def _scheduler(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.pki}/scheduler.kubeconfig",
        f"--bind-address={LOOPBACK}",
        "--leader-elect=false",
        "--profiling=false",
    ]


def _proxy(layout: Layout) -> list[str]:
    return [
        f"--kubeconfig={layout.pki}/proxy.kubeconfig",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_NETWORK}",
        f"--hostname-override={NODE_NAME}",
        f"--healthz-bind-address={LOOPBACK}:10256",
        f"--metrics-bind-address={LOOPBACK}:10249",
        # The machine's conntrack limits are its owner's business.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    ]


def _kubelet(layout: Layout) -> list[str]:
    return [
        f"--config={layout.configs}/kubelet.yaml",
        f"--kubeconfig={layout.pki}/kubelet.kubeconfig",
        f"--root-dir={layout.kubelet}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
    ]
