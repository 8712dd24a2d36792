"""Bridge, forwarding and address translation of the local cluster.

What is changed on the machine is named `tradewind…` or recorded first, so that `remove` leaves it
as it was: the bridge and its veths, one nft table, two sysctls, and (only where something else,
such as Docker, drops forwarded packets) two iptables rules that carry our comment.
"""

import ipaddress
import json
import re
from pathlib import Path

from tradewind_tools import command
from tradewind_tools.cluster.layout import (
    BRIDGE,
    BRIDGE_MAC,
    NODE_ADDRESS,
    POD_NETWORK,
    SERVICE_NETWORK,
)
from tradewind_tools.errors import ToolError, WorkFailedError

NFT_TABLE = "tradewind"
NFT_RULES = f"""
table ip {NFT_TABLE}
delete table ip {NFT_TABLE}
table ip {NFT_TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat
    ip saddr {POD_NETWORK} ip daddr != {{ {POD_NETWORK}, {SERVICE_NETWORK} }} masquerade
  }}
}}
"""
CNI_RESULTS = Path("/var/lib/cni/results")
KUBE_PROXY_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    # Pods on one bridge reach each other's services only if bridged packets pass the NAT rules.
    "net/bridge/bridge-nf-call-iptables": "1",
}


def ensure(*, record: Path) -> None:
    """Make bridge, forwarding and NAT; previous sysctl values go to the file `record`."""
    command.succeeds(["modprobe", "-a", "br_netfilter", "bridge"])  # Often built in or absent.
    if not command.succeeds(["ip", "link", "show", "dev", BRIDGE]):
        command.run(["ip", "link", "add", BRIDGE, "type", "bridge"])
    # A bridge without an address of its own has the least of its ports', which changes as pods come
    # and go: others keep the old one in mind, and lose name server and API for 5 to 11 s.
    command.run(["ip", "link", "set", "dev", BRIDGE, "address", BRIDGE_MAC])
    prefix = POD_NETWORK.partition("/")[2]
    command.run(["ip", "addr", "replace", f"{NODE_ADDRESS}/{prefix}", "dev", BRIDGE])
    command.run(["ip", "link", "set", BRIDGE, "up"])
    _set_sysctls(record)
    command.run(["nft", "-f", "-"], text_input=NFT_RULES)
    if forwarding_is_dropped():
        for rule in _iptables_rules():
            if not command.succeeds(["iptables", "-C", *rule]):
                command.run(["iptables", "-I", *rule])


def remove(*, record: Path) -> None:
    """Take away all that `ensure` and the programs of the cluster made; idempotent."""
    for veth in veths_of(command.run(["ip", "-o", "link", "show", "type", "veth"])):
        command.succeeds(["ip", "link", "delete", veth])
    if command.succeeds(["ip", "link", "show", "dev", BRIDGE]):
        command.run(["ip", "link", "delete", BRIDGE])
    for family, table in (("ip", NFT_TABLE), *KUBE_PROXY_TABLES):
        command.succeeds(["nft", "delete", "table", family, table])
    if forwarding_is_dropped():
        for rule in _iptables_rules():
            command.succeeds(["iptables", "-D", *rule])
    remove_results(CNI_RESULTS)
    if record.exists():
        for name, value in json.loads(record.read_text()).items():
            Path("/proc/sys", name).write_text(value)
        record.unlink()


def remove_results(folder: Path) -> None:
    """Remove what the network plug-ins noted about our pods, and about nobody else's.

    The note about a pod's loopback has no network's name, but the same container id as ours.
    """
    for ours in folder.glob("tradewind-*-eth0"):
        container = ours.name.removeprefix("tradewind-").removesuffix("-eth0")
        (folder / f"cni-loopback-{container}-lo").unlink(missing_ok=True)
        ours.unlink(missing_ok=True)


def check_free(addresses: str) -> None:
    """Raise ToolError when another interface lives in our networks.

    `addresses` is the output of `ip -o -4 addr`.
    """
    ours = [ipaddress.ip_network(POD_NETWORK), ipaddress.ip_network(SERVICE_NETWORK)]
    for interface, address in re.findall(r"^\d+: (\S+)\s+inet (\S+)", addresses, re.MULTILINE):
        network = ipaddress.ip_interface(address).network
        for mine in ours:
            if interface != BRIDGE and network.overlaps(mine):
                raise ToolError(
                    f"interface {interface} has {address}, which overlaps the cluster's {mine}: "
                    "stop what made that interface, or use CLUSTER=current"
                )


def veths_of(links: str) -> list[str]:
    """Return the veths on our bridge, from the output of `ip -o link show type veth`."""
    return [
        match[1]
        for line in links.splitlines()
        if f" master {BRIDGE} " in line and (match := re.match(r"\d+: ([^@:]+)", line))
    ]


def forwarding_is_dropped() -> bool:
    """Tell whether another program (Docker does) drops forwarded packets by default."""
    try:
        chain = command.run(["nft", "list", "chain", "ip", "filter", "FORWARD"])
    except WorkFailedError:
        return False
    return "policy drop" in chain


def _iptables_rules() -> list[list[str]]:
    comment = ["-m", "comment", "--comment", NFT_TABLE, "-j", "ACCEPT"]
    return [["FORWARD", "-i", BRIDGE, *comment], ["FORWARD", "-o", BRIDGE, *comment]]


def _set_sysctls(record: Path) -> None:
    before = {}
    for name in SYSCTLS:
        path = Path("/proc/sys", name)
        if path.exists():
            before[name] = path.read_text().strip()
    if not record.exists():
        record.write_text(json.dumps(before))
    for name in before:
        Path("/proc/sys", name).write_text(SYSCTLS[name])
