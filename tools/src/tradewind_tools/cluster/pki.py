"""Keys, certificates and kubeconfigs of the local cluster.

One CA signs everything. Extensions are as strict TLS clients want them (Python 3.13 refuses a CA
without keyUsage and leaves without an authority key id, though kubectl accepts them). Each file
appears by rename, and a present file is kept, so an interrupted run goes on where it stopped.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tradewind_tools.cluster.layout import (
    API_URL,
    CLUSTER_DOMAIN,
    CONTEXT,
    LOOPBACK,
    NODE_ADDRESS,
    NODE_NAME,
    SERVICE_API_ADDRESS,
    Layout,
)

VALID = dt.timedelta(days=3650)
"""The keys never leave the machine and `down` deletes them; expiry protects nothing here."""
BACKDATED = dt.timedelta(hours=1)
"""Certificates begin in the past, so that a clock set back a little does not refuse them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """A certificate to be made: file stem, subject, and names when it also serves."""

    stem: str
    common_name: str
    organization: str | None = None
    serves: Sequence[str] = ()


API_NAMES = (
    LOOPBACK,
    NODE_ADDRESS,
    SERVICE_API_ADDRESS,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
)
LEAVES = (
    Leaf(stem="apiserver", common_name="kube-apiserver", serves=API_NAMES),
    Leaf(
        stem="apiserver-kubelet",
        common_name="kube-apiserver-kubelet-client",
        organization="system:masters",
    ),
    Leaf(stem="admin", common_name="tradewind-admin", organization="system:masters"),
    Leaf(stem="controller-manager", common_name="system:kube-controller-manager"),
    Leaf(stem="scheduler", common_name="system:kube-scheduler"),
    Leaf(stem="proxy", common_name="system:kube-proxy"),
    Leaf(stem="coredns", common_name="system:coredns"),
    Leaf(
        stem="kubelet",
        common_name=f"system:node:{NODE_NAME}",
        organization="system:nodes",
        serves=(NODE_ADDRESS, NODE_NAME),
    ),
)
KUBECONFIGS = ("controller-manager", "scheduler", "proxy", "coredns", "kubelet")


def ensure(layout: Layout) -> None:
    """Make all keys, certificates and kubeconfigs; keep those that are there."""
    layout.pki.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = _load_authority(layout.pki) or _make_authority(layout.pki)
    for leaf in LEAVES:
        if not (layout.pki / f"{leaf.stem}.crt").exists():
            _make_leaf(layout.pki, leaf=leaf, authority=authority)
    if not (layout.pki / "service-accounts.key").exists():
        # The API server signs tokens with RS256, which every client library verifies.
        _write_key(layout.pki / "service-accounts.key", rsa.generate_private_key(65537, 2048))
    for stem in KUBECONFIGS:
        _write(layout.pki / f"{stem}.kubeconfig", _kubeconfig(layout.pki, stem).encode())
    _write(layout.kubeconfig, _kubeconfig(layout.pki, "admin").encode())


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def _load_authority(folder: Path) -> _Authority | None:
    # The certificate is written after its key: when it is there, both are.
    if not (folder / "ca.crt").exists():
        return None
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{folder / 'ca.key'} holds no elliptic curve key")
    return _Authority(x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes()), key)


def _make_authority(folder: Path) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject("tradewind-local-ca")
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, issuer=name, key=key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(folder / "ca.key", key)
    _write(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))
    # Leaves of a lost authority are worth nothing.
    for leaf in LEAVES:
        (folder / f"{leaf.stem}.crt").unlink(missing_ok=True)
    return _Authority(certificate, key)


def _make_leaf(folder: Path, *, leaf: Leaf, authority: _Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer = authority.certificate
    subject = _subject(leaf.common_name, organization=leaf.organization)
    builder = (
        _builder(subject, issuer=issuer.subject, key=key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if leaf.serves:
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        names = x509.SubjectAlternativeName([_alternative(name) for name in leaf.serves])
        builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    _write_key(folder / f"{leaf.stem}.key", key)
    _write(folder / f"{leaf.stem}.crt", certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, *, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _subject(common_name: str, *, organization: str | None = None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(path, pem)


def _write(path: Path, content: bytes) -> None:
    """Write a private file that appears whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.touch(mode=0o600)
    partial.write_bytes(content)
    partial.rename(path)


def _kubeconfig(folder: Path, stem: str) -> str:
    cluster = {"server": API_URL, "certificate-authority": str(folder / "ca.crt")}
    user = {
        "client-certificate": str(folder / f"{stem}.crt"),
        "client-key": str(folder / f"{stem}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": CONTEXT, "user": user}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
    }
    return yaml.safe_dump(document, sort_keys=False)
