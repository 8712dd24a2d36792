"""A company in a folder: its git server, a clone, a registry that answers, a helm that renders."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import os
import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from tradewind.promotion.pins import Pin, dump
from tradewind.promotion.registry import CHART_LAYER

ORDER = """\
environments:
  - {name: dev}
  - {name: staging, soak: 1h}
  - {name: prod, soak: 24h}
"""
EMPTY = dump(
    Pin(chart="oci://r.example/c", chart_version="", chart_digest="", app_version="", git_commit="")
)
HELM = """\
#!/bin/sh
# helm template NAME CHART …: one object that shows the chart's bytes and the last values.
for last; do :; done
printf 'kind: ConfigMap\\nmetadata: {name: shown}\\ndata:\\n  chart: "%s"\\n' "$(cat "$3")"
sed 's/^/  /' "${last#--values=}"
"""
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
"""A Wednesday."""


def a_pin(version="1.0.0", **changes):
    """Return a pin whose digests follow from its version."""
    fields = {
        "chart": "oci://registry.example.com/charts/tradewind",
        "chart_version": version,
        "chart_digest": digest(f"chart {version}"),
        "app_version": version,
        "git_commit": hashlib.sha1(version.encode(), usedforsecurity=False).hexdigest(),
        "database_revision": "aaa",
    }
    return Pin(**fields | changes)


def digest(text):
    content = text if isinstance(text, bytes) else text.encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def ago(**span):
    return datetime.now(UTC) - timedelta(**span)


class FakeRegistry:
    """An OCI registry on loopback: manifests by tag and digest, blobs."""

    def __init__(self):
        self.manifests, self.blobs = {}, {}
        self.broken = 0
        """Status to answer with instead."""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            do_HEAD = do_GET  # noqa: N815 - the base class calls it so

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        name, _, version = request.path.removeprefix("/v2/").rpartition("/")
        store = self.manifests if name.endswith("/manifests") else self.blobs
        key = (name.rpartition("/")[0], version) if store is self.manifests else version
        content = None if self.broken else store.get(key)
        request.send_response(self.broken or (200 if content else 404))
        body = b"" if content is None or request.command == "HEAD" else content
        if content:
            request.send_header("Docker-Content-Digest", digest(content))
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def put_chart(self, version):
        """Store a chart and one image; return their pin."""
        archive = f"chart {version}".encode()
        layer = {"mediaType": CHART_LAYER, "digest": digest(archive), "size": len(archive)}
        manifest = json.dumps({"layers": [layer]}).encode()
        self.blobs[digest(archive)] = archive
        image = f"image {version}".encode()
        for repository, key, content in (
            ("charts/tradewind", version, manifest),
            ("charts/tradewind", digest(manifest), manifest),
            ("airflow", digest(image), image),
        ):
            self.manifests[repository, key] = content
        return a_pin(
            version,
            chart=f"oci://{self.host}/charts/tradewind",
            chart_digest=digest(manifest),
            images={"airflow": f"{self.host}/airflow@{digest(image)}"},
        )


class Estate:
    """A bare repository as the server, and the clone in which people work."""

    def __init__(self, folder: Path, *, like: Path | None = None):
        """Begin with three environments without a release, or as a copy of another estate."""
        self.origin, self.clone = folder / "origin.git", folder / "clone"
        if like:
            shutil.copytree(like, folder, dirs_exist_ok=True)
            self.git("remote", "set-url", "origin", str(self.origin))
            return
        self.git_in(folder, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
        self.git_in(folder, "clone", "--quiet", str(self.origin), "clone")
        self.git("checkout", "--quiet", "-b", "main")
        files = {"environments/order.yaml": ORDER, "environments/base/values/values.yaml": "a: 1\n"}
        for name in ("dev", "staging", "prod"):
            files[f"environments/{name}/values.yaml"] = f"env: {name}\n"
            files[f"environments/{name}/release.yaml"] = EMPTY
        self.merge(files, moment=ago(days=90))

    def git(self, *arguments, **variables):
        return self.git_in(self.clone, *arguments, **variables)

    @staticmethod
    def git_in(folder, *arguments, **variables):
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env={**os.environ, **who, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, files, *, moment=None, message="Change"):
        """Commit files in the clone (None deletes one); return the commit."""
        for path, text in files.items():
            file = self.clone / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True) if text is None else file.write_text(text)
        self.git("add", "--all")
        date = (moment or datetime.now(UTC)).isoformat()
        self.git("commit", "--quiet", "-m", message, GIT_COMMITTER_DATE=date, GIT_AUTHOR_DATE=date)
        return self.git("rev-parse", "HEAD")

    def merge(self, files, *, moment=None, message="Change"):
        """Commit files and push them to main; return the commit."""
        commit = self.commit(files, moment=moment, message=message)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return commit

    def release(self, name, pin, *, moment=None):
        """Let an environment's release be this pin since a moment."""
        return self.merge({f"environments/{name}/release.yaml": dump(pin)}, moment=moment)

    def branches(self):
        """Return branch -> commit of the server."""
        listed = self.git_in(
            self.origin, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads"
        )
        return dict(line.split() for line in listed.splitlines())

    def show(self, what):
        """Return what the server has of a commit or of commit:path."""
        return self.git_in(self.origin, "show", what)


def with_origin(pin, name):
    return dataclasses.replace(pin, promoted_from=name)


def write_helm(folder: Path) -> Path:
    """Write the helm that renders; return its path."""
    file = folder / "helm"
    file.write_text(HELM)
    file.chmod(0o755)
    return file


def loaded(text):
    return yaml.safe_load(text)


def promote_in(estate, monkeypatch, capsys):
    """Return what runs `tradewind promote …` in the clone: exit code, output, errors."""
    from tradewind import program  # noqa: PLC0415 - as the console script does

    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")

    def call(*words):
        code = program.main(["promote", *words, f"--repository={estate.clone}"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
