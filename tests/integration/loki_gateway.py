"""What stands before a Loki in many a company: TLS, a password, tenants that are allowed or not."""

import base64
import datetime as dt
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
from kubelet import certificate

USER, PASSWORD, TENANT = "writer", "right", "team-a"
REFUSED = {401: b"wrong password", 403: b"not your tenant"}


class Gateway:
    """Passes pushes on to a Loki for one user and one tenant. Its certificate is its own CA."""

    def __init__(self, url, folder, *, certificate_for=dt.timedelta(hours=1)):
        """Begin; with a negative `certificate_for` the certificate has expired for that long."""
        forward = httpx.Client(base_url=url)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = _refusal(self.headers), b""
                if not status:
                    told = {k: v for k, v in self.headers.items() if k.startswith("Content-")}
                    answer = forward.post(self.path, content=body, headers=told)
                    status, text = answer.status_code, answer.content
                text = REFUSED.get(status, text)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.ca_file = str(certificate(folder, name="gateway", lasts=certificate_for))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self):
        return f"https://127.0.0.1:{self._server.server_port}"


def _refusal(headers):
    known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if headers.get("Authorization") != known:
        return 401
    return 0 if headers.get("X-Scope-OrgID") == TENANT else 403
