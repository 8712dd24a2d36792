"""A server that answers with prepared bytes."""

import asyncio
import ssl

import pytest

from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.transport import Transport


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
        self.bodies = []
        self.peers = []

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head)
        self.bodies.append(await reader.readexactly(int(self.header("Content-Length") or 0)))
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
