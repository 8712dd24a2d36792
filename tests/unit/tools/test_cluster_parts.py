import datetime as dt
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from cryptography import x509

from tradewind_tools import room
from tradewind_tools.cluster import (
    cgroups,
    configs,
    manifests,
    mounts,
    network,
    pause,
    pki,
    preflight,
)
from tradewind_tools.cluster.layout import BRIDGE, BRIDGE_MAC, Layout
from tradewind_tools.errors import ToolError


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def certificate(layout, stem):
    return x509.load_pem_x509_certificate((layout.pki / f"{stem}.crt").read_bytes())


def test_authority_and_leaves_are_as_strict_clients_want_them(layout):
    pki.ensure(layout)
    authority = certificate(layout, "ca")
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value.ca
    subject_key = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    for leaf in pki.LEAVES:
        mine = certificate(layout, leaf.stem)
        mine.verify_directly_issued_by(authority)
        known = mine.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert known.key_identifier == subject_key.digest, leaf.stem


def test_keys_are_private_and_kept_by_a_second_run(layout):
    pki.ensure(layout)
    before = {path.name: path.read_bytes() for path in layout.pki.iterdir()}
    pki.ensure(layout)
    assert {path.name: path.read_bytes() for path in layout.pki.iterdir()} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in layout.pki.iterdir())
    assert layout.kubeconfig.stat().st_mode & 0o077 == 0


def test_an_interrupted_run_is_completed_with_the_same_authority(layout):
    pki.ensure(layout)
    authority = (layout.pki / "ca.crt").read_bytes()
    (layout.pki / "kubelet.crt").unlink()
    pki.ensure(layout)
    assert (layout.pki / "ca.crt").read_bytes() == authority
    assert certificate(layout, "kubelet").not_valid_after_utc > dt.datetime.now(dt.UTC)


def test_leaves_of_a_lost_authority_are_made_again(layout):
    pki.ensure(layout)
    (layout.pki / "ca.crt").unlink()
    pki.ensure(layout)
    certificate(layout, "admin").verify_directly_issued_by(certificate(layout, "ca"))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param("CapEff:\t000001fffeffffff\n", False, id="without-sys-resource"),
        pytest.param("CapEff:\t000001ffffffffff\n", True, id="all"),
    ],
)
def test_missing_capability_is_seen(status, expected):
    assert configs.may_lower_oom_score(status) is expected


def test_dns_forwards_only_where_the_machine_knows_a_server(layout, tmp_path):
    empty, full = tmp_path / "empty", tmp_path / "full"
    empty.write_text("search example\n")
    full.write_text("nameserver 192.0.2.1\n")
    assert "forward ." not in configs.corefile(layout, resolv_conf=empty)
    assert "forward ." not in configs.corefile(layout, resolv_conf=tmp_path / "absent")
    assert f"forward . {full}" in configs.corefile(layout, resolv_conf=full)


def test_volumes_are_local_ones_on_our_node(layout):
    found = manifests.volumes(layout)
    assert len({item["spec"]["local"]["path"] for item in found}) == len(found) == 16
    for item in found:
        assert item["spec"]["storageClassName"] == "local"
        assert item["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]


def test_mounts_below_a_folder_come_deepest_first_and_no_neighbours():
    info = "\n".join(
        f"36 35 98:0 / {point} rw shared:1 - tmpfs tmpfs rw"
        for point in ("/", "/s/local", "/s/local/a\\040b", "/s/local2", "/s/local/a\\040b/c")
    )
    assert mounts.parse(info, below=Path("/s/local")) == [
        Path("/s/local/a b/c"),
        Path("/s/local/a b"),
        Path("/s/local"),
    ]


def test_only_veths_of_our_bridge_are_ours():
    links = (
        "7: veth1@if2: <UP> mtu 1500 qdisc noqueue master tradewind0 state UP mode DEFAULT\n"
        "8: veth2@if2: <UP> mtu 1500 qdisc noqueue master docker0 state UP mode DEFAULT\n"
    )
    assert network.veths_of(links) == ["veth1"]


def test_the_bridge_has_an_address_of_its_own_before_it_is_up(monkeypatch, tmp_path):
    """Otherwise it has that of some pod's port, and another one once that pod is gone."""
    ran = []
    monkeypatch.setattr(network.command, "run", lambda words, **_: ran.append(words))
    monkeypatch.setattr(network.command, "succeeds", lambda _: False)
    monkeypatch.setattr(network, "forwarding_is_dropped", lambda: False)
    monkeypatch.setattr(network, "_set_sysctls", lambda record: None)
    network.ensure(record=tmp_path / "sysctls")
    addressed, up = (
        ["ip", "link", "set", "dev", BRIDGE, "address", BRIDGE_MAC],
        ["ip", "link", "set", BRIDGE, "up"],
    )
    assert ran.index(addressed) < ran.index(up)


def test_only_notes_about_our_pods_are_removed(tmp_path):
    ours = ("tradewind-a1-eth0", "cni-loopback-a1-lo")
    others = ("cni-loopback-b2-lo", "flannel-b2-eth0")
    for name in (*ours, *others):
        (tmp_path / name).touch()
    network.remove_results(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_an_interface_in_our_networks_is_named():
    with pytest.raises(ToolError, match=r"interface cni0 has 10.244.3.1/24.*overlaps"):
        network.check_free("4: cni0    inet 10.244.3.1/24 brd 10.244.3.255 scope global cni0\n")


def test_our_own_bridge_and_other_networks_are_no_conflict():
    network.check_free(
        "2: eth0    inet 192.0.2.5/24 scope global eth0\n"
        "5: tradewind0    inet 10.244.0.1/16 scope global tradewind0\n"
    )


def test_pause_image_is_a_whole_archive_and_reproducible(tmp_path):
    binary = tmp_path / "catatonit"
    binary.write_bytes(b"\x7fELF")
    archive = pause.archive(binary)
    assert pause.archive(binary) == archive
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        manifest = json.load(tar.extractfile("manifest.json"))[0]
        config = json.load(tar.extractfile(manifest["Config"]))
        layer = tar.extractfile(manifest["Layers"][0]).read()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]


def test_lack_of_room_says_how_much_and_where(tmp_path):
    with pytest.raises(ToolError, match=r"GiB free, a build needs 1e\+06 GiB: free some, or set"):
        room.check(tmp_path / "not" / "there", needed_gib=1_000_000, what="a build")


@pytest.mark.parametrize(
    ("system", "user_id", "sentence"),
    [
        pytest.param("Darwin", 0, "runs on Linux only, this is Darwin", id="not-linux"),
        pytest.param("Linux", 1000, "needs root: start it with sudo", id="not-root"),
    ],
)
def test_unfit_machines_are_refused_before_anything(layout, monkeypatch, system, user_id, sentence):
    monkeypatch.setattr(preflight.platform, "system", lambda: system)
    monkeypatch.setattr(preflight.os, "geteuid", lambda: user_id)
    with pytest.raises(ToolError, match=sentence):
        preflight.check_machine(layout)
    assert list(layout.state.iterdir()) == []


def test_cgroup_versions_are_told_apart(tmp_path):
    assert not cgroups.is_v2(tmp_path)
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    assert cgroups.is_v2(tmp_path)


def test_on_v2_every_controller_is_asked_for_and_one_group_made(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    cgroups.ensure(tmp_path)
    assert (tmp_path / "tradewind").is_dir()
