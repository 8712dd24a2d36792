"""Configuration files of the cluster's programs, written anew at every `up`."""

import json
from pathlib import Path
from typing import Any

import yaml

from tradewind_tools import packages
from tradewind_tools.cluster import audit
from tradewind_tools.cluster.layout import (
    BRIDGE,
    CGROUP,
    CLUSTER_DOMAIN,
    FIRST_POD_ADDRESS,
    LOOPBACK,
    NODE_ADDRESS,
    PAUSE_IMAGE,
    POD_NETWORK,
    REGISTRY,
    Layout,
)

CAP_SYS_RESOURCE = 24


def write_all(layout: Layout) -> None:
    """Write every file that `components` names."""
    layout.configs.mkdir(parents=True, exist_ok=True)
    for folder in ("cni", f"registries/{REGISTRY}"):
        (layout.configs / folder).mkdir(parents=True, exist_ok=True)
    restrict = not may_lower_oom_score(Path("/proc/self/status").read_text())
    files = {
        "containerd.toml": containerd(layout, restrict_oom_score=restrict),
        f"registries/{REGISTRY}/hosts.toml": f'server = "http://{REGISTRY}"\n',
        "cni/10-tradewind.conflist": json.dumps(cni(layout), indent=2),
        "audit-policy.yaml": yaml.safe_dump(audit.policy()),
        "kubelet.yaml": yaml.safe_dump(kubelet(layout)),
        "registry.yaml": yaml.safe_dump(registry(layout)),
        "Corefile": corefile(layout, resolv_conf=Path("/etc/resolv.conf")),
    }
    for name, text in files.items():
        (layout.configs / name).write_text(text)


def may_lower_oom_score(status: str) -> bool:
    """Tell from /proc/self/status whether processes may be made less likely OOM victims."""
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


def containerd(layout: Layout, *, restrict_oom_score: bool) -> str:
    """Return the config of containerd 2.x.

    `restrict_oom_score`: without CAP_SYS_RESOURCE runc fails to set the score that pods ask for,
    and no sandbox starts.
    """
    bin_dirs = [folder for folder in packages.CNI_FOLDERS if Path(folder).is_dir()]
    return f"""version = 3
root = "{layout.local}/containerd"
state = "{layout.local}/containerd-run"
disabled_plugins = ["io.containerd.nri.v1.nri"]

[grpc]
address = "{layout.containerd_socket}"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "{layout.configs}/registries"

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = {str(restrict_oom_score).lower()}
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = {json.dumps(bin_dirs)}
conf_dir = "{layout.configs}/cni"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def cni(layout: Layout) -> dict[str, Any]:
    """Return the pod network: one bridge, addresses from a folder of ours."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": f"{layout.local}/cni",
            "ranges": [[{"subnet": POD_NETWORK, "rangeStart": FIRST_POD_ADDRESS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    return {"cniVersion": "1.0.0", "name": "tradewind", "plugins": [bridge]}


def kubelet(layout: Layout) -> dict[str, Any]:
    """Return the kubelet's configuration."""
    lowest = {"memory.available": "100Mi", "nodefs.available": "2%", "imagefs.available": "2%"}
    pki = layout.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "healthzBindAddress": LOOPBACK,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{pki}/kubelet.crt",
        "tlsPrivateKeyFile": f"{pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        # Old machines still boot with v1, which 1.35+ refuses unless told.
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDomain": CLUSTER_DOMAIN,
        "clusterDNS": [NODE_ADDRESS],
        "resolvConf": "",
        "podLogsDir": f"{layout.local}/pod-logs",
        "volumePluginDir": f"{layout.local}/volume-plugins",
        # kube-proxy uses nftables; the kubelet's own iptables chains would only be left over.
        "makeIPTablesUtilChains": False,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "maxPods": 200,
        "oomScoreAdj": 0,
        "evictionHard": lowest,
        "imageGCHighThresholdPercent": 95,
        "imageGCLowThresholdPercent": 90,
    }


def registry(layout: Layout) -> dict[str, Any]:
    """Return the configuration of the OCI registry: plain HTTP, on loopback only."""
    return {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(layout.registry)},
            "delete": {"enabled": True},
        },
        "http": {"addr": REGISTRY},
    }


def corefile(layout: Layout, *, resolv_conf: Path) -> str:
    """Return CoreDNS' configuration; names outside go where the machine asks."""
    text = resolv_conf.read_text() if resolv_conf.exists() else ""
    knows_others = any(line.startswith("nameserver") for line in text.splitlines())
    forward = f"  forward . {resolv_conf}\n" if knows_others else ""
    return f""".:53 {{
  bind {NODE_ADDRESS}
  errors
  kubernetes {CLUSTER_DOMAIN} in-addr.arpa ip6.arpa {{
    kubeconfig {layout.pki}/coredns.kubeconfig
    pods insecure
    fallthrough in-addr.arpa ip6.arpa
  }}
{forward}  cache 10
}}
"""
