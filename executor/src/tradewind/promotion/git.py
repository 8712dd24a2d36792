"""The repository, by the git program. Reads commits, never the working copy; writes one file.

A commit is made beside index and working copy, so neither uncommitted work nor a detached HEAD
matter, and nothing local changes but objects that nobody refers to.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tradewind.promotion.findings import (
    ConflictError,
    PromotionError,
    UnreachableError,
    UnusableError,
)
from tradewind.promotion.programs import run

SEPARATOR = "\x1f"
QUIET = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
"""Nobody is there to type a password; and what git says is compared below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit on the main line."""

    id: str
    moment: datetime
    """When it came there: the committer's time of the merge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A clone, or on a server the bare repository itself."""

    folder: Path
    remote: str = "origin"

    def require(self) -> None:
        """Raise UnusableError unless the folder is in a repository."""
        self._git("rev-parse", "--git-dir")

    def fetch(self, branch: str) -> str:
        """Return the commit of the remote's branch, freshly fetched.

        Raises:
            UnusableError: no such remote or branch.
            UnreachableError: the remote does not answer.

        """
        self.url()
        try:
            self._git("fetch", "--quiet", "--no-tags", self.remote, f"refs/heads/{branch}")
        except PromotionError as error:
            if "couldn't find remote ref" in str(error):
                raise UnusableError(
                    f"{self.remote} has no branch {branch!r}: name the main branch with --branch"
                ) from error
            raise UnreachableError(
                f"{self.remote} ({self.url()}) does not answer: {_reason(error)}"
            ) from error
        return self.commit("FETCH_HEAD")

    def url(self) -> str:
        """Return the remote's address; raises UnusableError when there is no such remote."""
        try:
            return self._git("remote", "get-url", self.remote).strip()
        except PromotionError as error:
            raise UnusableError(
                f"{self.folder} has no remote {self.remote!r}: name one with --remote"
            ) from error

    def commit(self, reference: str) -> str:
        """Return a commit's id; raises UnusableError for what names none."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}").strip()
        except PromotionError as error:
            raise UnusableError(f"no commit {reference!r} here: fetch it first") from error

    def text(self, commit: str, *, path: str) -> str | None:
        """Return a file of a commit, None when it has none of that path."""
        return self._texts([f"{commit}:{path}"])[0]

    def history(self, commit: str, *, path: str) -> list[tuple[Commit, str]]:
        """Return the commits of the main line that changed a file, newest first, with its text."""
        # The first parents alone: a change counts from its merge, not from when it was written.
        form = f"--format=%H{SEPARATOR}%ct"
        lines = self._git("log", "--first-parent", form, commit, "--", path).splitlines()
        commits = []
        for line in lines:
            found, _, seconds = line.partition(SEPARATOR)
            commits.append(Commit(id=found, moment=datetime.fromtimestamp(int(seconds), UTC)))
        texts = self._texts([f"{one.id}:{path}" for one in commits])
        return [(one, text or "") for one, text in zip(commits, texts, strict=True)]

    def changed(self, base: str, *, head: str) -> list[str]:
        """Return the paths that differ; a renamed file counts with both of its names."""
        listed = self._git("diff", "--name-only", "--no-renames", "-z", base, head)
        return sorted(path for path in listed.split("\0") if path)

    def merge_base(self, base: str, *, head: str) -> str:
        """Return where two commits parted; raises UnusableError when they share nothing."""
        try:
            return self._git("merge-base", base, head).strip()
        except PromotionError as error:
            raise UnusableError(
                f"{base[:12]} and {head[:12]} share no history here: fetch all of it "
                "(fetch-depth: 0)"
            ) from error

    def line(self, base: str, *, head: str) -> list[str]:
        """Return the commits of the main line after `base` up to `head`, oldest first."""
        return self._git("rev-list", "--first-parent", "--reverse", f"{base}..{head}").split()

    def messages(self, base: str, *, head: str) -> list[str]:
        """Return the messages of all commits after `base`."""
        listed = self._git("log", "--format=%B%x00", f"{base}..{head}").split("\0")
        return [message.strip() for message in listed if message.strip()]

    def write(self, parent: str, *, path: str, text: str, message: str) -> str:
        """Return a new commit on `parent` that changes this one file; no branch points to it."""
        blob = self._git("hash-object", "-w", "--stdin", text=text).strip()
        with tempfile.TemporaryDirectory() as folder:
            index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self._git("read-tree", parent, environment=index)
            entry = f"100644,{blob},{path}"
            self._git("update-index", "--add", "--cacheinfo", entry, environment=index)
            tree = self._git("write-tree", environment=index).strip()
        return self._git("commit-tree", tree, "-p", parent, text=message).strip()

    def same_change(self, one: str, other: str) -> bool:
        """Tell whether two commits stand on the same parent and hold the same files."""
        shown = [self._git("log", "-1", "--format=%T %P", commit) for commit in (one, other)]
        return shown[0] == shown[1]

    def remote_tip(self, branch: str) -> str:
        """Return the commit of a branch on the remote, empty when there is none."""
        listed = self._remotely("ls-remote", self.remote, f"refs/heads/{branch}")
        return listed.split()[0] if listed.strip() else ""

    def fetch_commit(self, branch: str) -> str:
        """Return the commit of another branch of the remote, with what it holds."""
        self._remotely("fetch", "--quiet", "--no-tags", self.remote, f"refs/heads/{branch}")
        return self.commit("FETCH_HEAD")

    def push(self, commit: str, *, branch: str, expected: str) -> None:
        """Set a branch of the remote, if it still is at `expected` (empty: if there is none).

        Raises:
            ConflictError: somebody else moved it, or the remote takes no such change.
            UnreachableError: the remote does not answer.

        """
        reference = f"refs/heads/{branch}"
        lease = f"--force-with-lease={reference}:{expected}"
        try:
            self._git("push", "--quiet", lease, self.remote, f"{commit}:{reference}")
        except PromotionError as error:
            if any(word in str(error) for word in ("stale info", "non-fast-forward", "rejected")):
                raise ConflictError(
                    f"{self.remote} refuses branch {branch}: {_reason(error)}; run it again, it "
                    "starts from what is there then"
                ) from error
            raise UnreachableError(f"nothing was pushed: {_reason(error)}") from error

    def _texts(self, names: list[str]) -> list[str | None]:
        """Return the content of each `commit:path`, all by one call, None for what is missing."""
        if not names:
            return []
        answer = self._git("cat-file", "--batch", text="\n".join(names) + "\n")
        rest = answer.encode(errors="surrogateescape")
        found: list[str | None] = []
        for _ in names:
            head, _, rest = rest.partition(b"\n")
            if head.endswith(b" missing"):
                found.append(None)
                continue
            size = int(head.rpartition(b" ")[2])
            found.append(rest[:size].decode(errors="surrogateescape"))
            rest = rest[size + 1 :]
        return found

    def _remotely(self, *arguments: str) -> str:
        try:
            return self._git(*arguments)
        except PromotionError as error:
            raise UnreachableError(f"{self.remote} does not answer: {_reason(error)}") from error

    def _git(
        self, *arguments: str, text: str | None = None, environment: dict[str, str] | None = None
    ) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return run(command, text=text, environment=QUIET | (environment or {}))


def _reason(error: Exception) -> str:
    return str(error).partition("failed: ")[2] or str(error)
