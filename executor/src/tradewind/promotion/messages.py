"""The texts that people read later: commit, branch, title and body of the pull request. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tradewind.promotion.findings import Finding, Level
from tradewind.promotion.pins import Pin
from tradewind.promotion.rendered import Difference, cut

MOST_CHARS = 60_000
"""Of a body. GitHub takes 65,536 characters, Gitea and GitLab more; room for what a forge adds."""
MARKS = {Level.OK: "✅", Level.NOTE: "📝", Level.OVERRIDDEN: "⚠️", Level.REFUSED: "❌"}
TRAILER = re.compile(r"^([A-Z][A-Za-z-]+): (.+)$")
PROMOTED_FROM = "Promoted-From"
ROLLED_BACK_TO = "Rolled-Back-To"
SOAK_OVERRIDE = "Soak-Override"
FREEZE_OVERRIDE = "Freeze-Override"


def branch(target: str, *, pin: Pin, verb: str = "promote") -> str:
    """Return the branch's name; the same release and target make the same branch."""
    return f"{verb}/{target}/{pin.chart_version}"


def title(target: str, *, pin: Pin, source: str = "") -> str:
    """Return the subject of commit and pull request; no source is a rollback."""
    if source:
        return f"Promote {pin.chart_version} from {source} to {target}"
    return f"Roll {target} back to {pin.chart_version}"


def commit(subject: str, *, trailers: Mapping[str, str]) -> str:
    """Return the commit's message; empty trailers are left out."""
    lines = [f"{key}: {' '.join(value.split())}" for key, value in trailers.items() if value]
    return "\n".join([subject, "", *lines, ""])


def trailers(message: str) -> dict[str, str]:
    """Return the trailers of a message's last paragraph."""
    last = message.strip().split("\n\n")[-1].splitlines()
    found = [TRAILER.fullmatch(line) for line in last]
    return {match[1]: match[2] for match in found if match} if all(found) else {}


def body(
    pin: Pin, *, present: Pin | None, findings: Sequence[Finding], difference: Difference
) -> str:
    """Return the pull request's text: what changes, what was judged, what renders otherwise."""
    before = f"{present.chart_version} (`{present.git_commit[:12]}`)" if present else "nothing"
    head = [
        f"**{before} → {pin.chart_version}** (`{pin.git_commit[:12]}`)",
        "",
        f"Chart `{pin.chart}@{pin.chart_digest}`",
        "",
        *table(findings),
        "",
        f"Rendered: {difference.summary}.",
        "",
    ]
    return _with_diff("\n".join(head), difference.text)


def table(findings: Iterable[Finding]) -> list[str]:
    """Return the lines of a Markdown table, one row a finding."""
    rows = [f"| {MARKS[f.level]} {f.rule} | {f.sentence.replace('|', '/')} |" for f in findings]
    return ["| rule | |", "|---|---|", *rows]


def comment(sections: Mapping[str, tuple[Sequence[Finding], Difference]]) -> str:
    """Return the comment on a change of environments: one folded diff for each, cut fairly."""
    share = MOST_CHARS // max(len(sections), 1)
    return "\n".join(
        _section(name, findings=findings, difference=difference, most_chars=share)
        for name, (findings, difference) in sections.items()
    )


def _section(
    name: str, *, findings: Sequence[Finding], difference: Difference, most_chars: int
) -> str:
    loud = [finding for finding in findings if finding.level is not Level.OK]
    head = [f"### {name}: {difference.summary}", "", *(table(loud) if loud else []), ""]
    return _with_diff("\n".join(head), difference.text, most_chars=most_chars)


def _with_diff(head: str, diff: str, *, most_chars: int = MOST_CHARS) -> str:
    head = cut(head, most_chars=most_chars)
    if not diff:
        return head
    opened, closed = "<details><summary>Difference</summary>\n\n~~~~diff\n", "~~~~\n\n</details>\n"
    # A tilde fence inside the diff would end ours.
    safe = diff.replace("\n~~~~", "\n ~~~~")
    room = most_chars - len(head) - len(opened) - len(closed) - 1
    if room < len("… more") * 20:
        return head
    return f"{head}\n{opened}{cut(safe, most_chars=room)}{closed}"
