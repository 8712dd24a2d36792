"""A node of a real API server whose kubelet is the test: it answers requests for logs."""

import datetime as dt
import ipaddress
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"
LOOPBACK = ipaddress.ip_address(ADDRESS)


class Kubelet:
    """Serves logs of containers over TLS, as an API server asks a kubelet for them."""

    def __init__(self, folder, name):
        self.name = name
        self.logs = {}
        """Text by (pod, container)."""
        self.answers_after_s = 0.0
        self.asked = []
        self._server = ThreadingHTTPServer((ADDRESS, 0), self._handler())
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def node(self):
        port = self._server.server_address[1]
        status = {
            "addresses": [{"type": "InternalIP", "address": ADDRESS}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name},
            "status": status,
        }

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        kubelet = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                parts = urlsplit(self.path)
                _, pod, container = parts.path.removeprefix("/containerLogs/").split("/")
                kubelet.asked.append((pod, container))
                time.sleep(kubelet.answers_after_s)
                text = _shortened(kubelet.logs.get((pod, container), ""), parse_qs(parts.query))
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

        return Handler


def _shortened(text, query):
    """Apply what the API server passes on, as a kubelet does."""
    lines = text.splitlines(keepends=True)[-int(query["tailLines"][0]) :]
    most = int(query["limitBytes"][0]) if "limitBytes" in query else None
    return "".join(lines).encode()[:most]


def certificate(folder, *, name="kubelet", lasts=dt.timedelta(hours=24)):
    """Write a certificate of loopback's own, and its key, to a file; return its path.

    One that lasts for less than nothing has expired for that long, up to two days.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(LOOPBACK)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path = folder / f"{name}.pem"
    path.write_bytes(private + made.public_bytes(pem))
    return path
