"""A page in a headless Chromium, over its DevTools protocol: go there, read it, take a picture."""

import base64
import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import websocket

STARTS_WITHIN_S = 60
ANSWERS_WITHIN_S = 60
WIDTH, HEIGHT = 1400, 1000


def program():
    """Return Chromium's path, or None: `apt-get install chromium` brings it."""
    return shutil.which("chromium")


class Page:
    """One tab."""

    def __init__(self, socket):
        self._socket = socket
        self._numbers = itertools.count(1)

    def call(self, method, **parameters):
        """Return the answer to one command; what else comes in meanwhile is dropped."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def open(self, url, *, cookies=None):
        """Go there, signed in by cookies."""
        for name, value in (cookies or {}).items():
            self.call("Network.setCookie", name=name, value=value, url=url)
        self.call("Page.enable")
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def text(self):
        """Return what can be read on the page."""
        return self.evaluate("document.body ? document.body.innerText : ''") or ""

    def picture(self, path):
        """Write a PNG of what is in the window."""
        found = self.call("Page.captureScreenshot", format="png")
        Path(path).write_bytes(base64.b64decode(found["data"]))


@contextmanager
def page(folder):
    """Yield a page of a browser whose profile is in `folder`; both end here."""
    command = [program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "--no-first-run"]
    command += [f"--window-size={WIDTH},{HEIGHT}", "about:blank"]
    with (Path(folder) / "chromium.log").open("wb") as log:
        browser = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield Page(_socket(browser, Path(folder)))
    finally:
        browser.terminate()
        browser.wait(timeout=30)


def _socket(browser, folder):
    deadline = time.monotonic() + STARTS_WITHIN_S
    file = folder / "DevToolsActivePort"
    while not file.exists() or not file.read_text().strip():
        assert browser.poll() is None, (folder / "chromium.log").read_text()[-2000:]
        assert time.monotonic() < deadline, "Chromium does not start"
        time.sleep(0.1)
    port = file.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
        (tab, *_) = [item for item in json.load(answer) if item["type"] == "page"]
    return websocket.create_connection(
        tab["webSocketDebuggerUrl"], timeout=ANSWERS_WITHIN_S, suppress_origin=True
    )
