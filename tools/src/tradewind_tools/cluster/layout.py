"""Addresses, ports and folders of the local cluster. Data only."""

from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "tradewind-local"
CONTEXT = "tradewind-local"

BRIDGE = "tradewind0"
BRIDGE_MAC = "02:74:77:00:00:01"
"""Locally administered."""
NODE_ADDRESS = "10.244.0.1"
"""Address of the bridge. Not loopback: the API server's own endpoint may not be loopback."""
POD_NETWORK = "10.244.0.0/16"
FIRST_POD_ADDRESS = "10.244.1.1"
SERVICE_NETWORK = "10.96.0.0/16"
SERVICE_API_ADDRESS = "10.96.0.1"
CLUSTER_DOMAIN = "cluster.local"
LOOPBACK = "127.0.0.1"

API_PORT = 6443
REGISTRY_PORT = 5005
REGISTRY = f"{LOOPBACK}:{REGISTRY_PORT}"
API_URL = f"https://{NODE_ADDRESS}:{API_PORT}"
ETCD_URL = f"http://{LOOPBACK}:2379"
ETCD_PEER_URL = f"http://{LOOPBACK}:2380"

CGROUP = "tradewind"
"""Every container runs below this control group, so that `down` finds all of their processes."""
PAUSE_IMAGE = "tradewind.local/pause:1"

VOLUMES = 16
"""Each release on the cluster claims one, and it is offered again at the next `up`: the cluster
tests alone install seven in a row."""
VOLUME_SIZE = "4Gi"
STORAGE_CLASS = "local"

PORTS: dict[str, tuple[tuple[str, int], ...]] = {
    "etcd": ((LOOPBACK, 2379), (LOOPBACK, 2380)),
    "kube-apiserver": ((NODE_ADDRESS, API_PORT),),
    "kube-controller-manager": ((LOOPBACK, 10257),),
    "kube-scheduler": ((LOOPBACK, 10259),),
    "kubelet": ((NODE_ADDRESS, 10250), (LOOPBACK, 10248)),
    "kube-proxy": ((LOOPBACK, 10256), (LOOPBACK, 10249)),
    "coredns": ((NODE_ADDRESS, 53),),
    "registry": ((LOOPBACK, REGISTRY_PORT),),
}
"""TCP ports that each program listens on."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Folders below the state folder. `local` is removed by `down`, the caches are not."""

    state: Path

    @property
    def kubeconfig(self) -> Path:
        """The admin's kubeconfig, made for this cluster alone."""
        return self.state / "kubeconfig"

    @property
    def lock(self) -> Path:
        """Held by whoever starts or stops the cluster."""
        return self.state / "cluster.lock"

    @property
    def logs(self) -> Path:
        """One log per program; survives `down` for post-mortems."""
        return self.state / "logs"

    @property
    def audit_log(self) -> Path:
        """What the API server writes down of requests; earlier ones are beside it."""
        return self.logs / "audit" / "audit.log"

    @property
    def local(self) -> Path:
        """Everything of the running cluster: keys, databases, pods, volumes."""
        return self.state / "local"

    @property
    def stopping(self) -> Path:
        """There while `down` works, or was killed at it: then nothing here can be used again."""
        return self.local / "stopping"

    @property
    def pki(self) -> Path:
        """Keys, certificates, kubeconfigs of the programs."""
        return self.local / "pki"

    @property
    def configs(self) -> Path:
        """Configuration files, written anew at every `up`."""
        return self.local / "configs"

    @property
    def kubelet(self) -> Path:
        """Root folder of the kubelet: pods and their volumes."""
        return self.local / "kubelet"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens."""
        return self.local / "containerd.sock"

    @property
    def volumes(self) -> Path:
        """One folder for each persistent volume."""
        return self.local / "volumes"

    @property
    def registry(self) -> Path:
        """Blobs of the local registry: a cache that survives `down`."""
        return self.state / "registry"

    @property
    def builder(self) -> Path:
        """Data of the build daemon: a cache that survives `down`."""
        return self.state / "builder"
