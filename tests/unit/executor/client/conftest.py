"""An authority that issues certificates, and a server that answers with prepared bytes."""

import asyncio
import datetime as dt
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.tls import KeyPair
from tradewind.client.transport import Transport

DAY = dt.timedelta(days=1)


class Authority:
    """A CA of the tests' own."""

    def __init__(self, name="test-ca"):
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        built = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        self.pem = _pem(built.sign(self._key, hashes.SHA256()))

    def issue(self, name, *, password=None):
        """Return a key pair for a host name, an address or a user."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        try:
            also = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            also = x509.DNSName(name)
        built = self._builder(subject, key).add_extension(
            x509.SubjectAlternativeName([also]), critical=False
        )
        encryption = (
            serialization.BestAvailableEncryption(password)
            if password
            else serialization.NoEncryption()
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        return KeyPair(_pem(built.sign(self._key, hashes.SHA256())), pem)

    def _builder(self, subject, key):
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
        )


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="session")
def authority():
    return Authority()


def _answer(status, body=b"", *, length=None, **headers):
    head = [f"HTTP/1.1 {status} Said", "Connection: close"]
    head.append(f"Content-Length: {len(body) if length is None else length}")
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@pytest.fixture(scope="session")
def answer():
    """Return a function that makes an HTTP answer; its `length` may lie about the body."""
    return _answer


class RawServer:
    """Answers each request with the next prepared bytes, then closes; keeps the requests."""

    def __init__(self, answers):
        self._answers = list(answers)
        self.requests = []
        self.peers = []

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        await reader.readexactly(int(self.header("Content-Length") or 0))
        self.peers.append(writer.get_extra_info("peercert"))
        writer.write(self._answers.pop(0) if self._answers else _answer(500))
        await writer.drain()
        writer.close()

    def header(self, name, number=-1):
        lines = self.requests[number].split("\r\n")[1:]
        found = dict(line.split(": ", 1) for line in lines if line)
        return found.get(name, "")


@pytest.fixture
async def serve():
    """Return a coroutine that starts a server with these answers on loopback."""
    running = []

    async def start(*answers, tls=None):
        raw = RawServer(answers)
        server = await asyncio.start_server(raw.serve, "127.0.0.1", 0, ssl=tls)
        running.append(server)
        raw.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return raw

    yield start
    for server in running:
        server.close()


@pytest.fixture
async def transport():
    """Return a function that connects to a server, closed when the test ends."""
    opened = []

    def connect(raw, *, prover=None, **more):
        signed = Credentials(server=raw.url, prover=prover or FixedProof(token="t"), **more)
        opened.append(Transport(signed, request_timeout_s=5))
        return opened[-1]

    yield connect
    for one in opened:
        await one.close()


@pytest.fixture
def server_tls(tmp_path):
    """Return a function that makes a server's TLS: it shows `pair`, `clients` sign its users."""

    def make(pair, *, clients=None):
        certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=clients.pem.decode())
        return context

    return make
