"""Git over HTTP on loopback: `git http-backend` as its own documentation runs it, by CGI."""

import http.server
import os
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

CGI_TIMEOUT_S = 120


class Handler(http.server.BaseHTTPRequestHandler):
    """Hands each request to git; whoever asks may fetch and push, as hooks let them."""

    root: Path

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self._answer(b"".join(self._pieces()))

    def log_message(self, *_):
        """Say nothing: git's own words reach its client."""

    def _pieces(self):
        """Give the body, which a large push and some clients send in chunks."""
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, body):
        done = subprocess.run(
            ["git", "http-backend"],
            env=self._variables(len(body)),
            input=body,
            stdout=subprocess.PIPE,
            check=True,
            timeout=CGI_TIMEOUT_S,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _variables(self, length):
        address = urlsplit(self.path)
        return {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": address.path,
            "QUERY_STRING": address.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_USER": "ada",
            "REMOTE_ADDR": self.client_address[0],
        }


@contextmanager
def serving(root):
    """Serve the bare repositories of a folder; yield the address."""
    handler = type("Served", (Handler,), {"root": root})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
