"""`tradewind promote check` and `diff`: what the server runs on a change."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tradewind.promotion import check as checks
from tradewind.promotion import messages, show
from tradewind.promotion.check import Judge
from tradewind.promotion.findings import EXIT_REFUSED, Finding, refused
from tradewind.promotion.git import Repository
from tradewind.promotion.parameters import Chart, Folder, Json
from tradewind.promotion.registry import Registry
from tradewind.promotion.releases import Releases
from tradewind.promotion.review import Review, refusals


def check(
    base: Annotated[str, typer.Argument(help="Commit of the main branch.")],
    head: Annotated[str, typer.Argument(help="Commit that wants to get there.")],
    *,
    source_branch: Annotated[
        str, typer.Option("--source-branch", help="Name of the pull request's branch.")
    ] = "",
    each: Annotated[
        bool, typer.Option("--each", help="Judge every commit by itself, as a pushed line.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the registry.")] = False,
    as_json: Json = False,
    repository: Folder = Path(),
) -> None:
    """Judge a change as the server does; exit code 3 when a rule forbids it."""
    clone = Repository(folder=repository)
    commits = clone.commit(base), clone.commit(head)
    registry = None if offline else Registry()
    judge = Judge(repository=clone, registry=registry, now=datetime.now(UTC))
    if each:
        found = checks.check_each(judge, base=commits[0], head=commits[1])
    else:
        line = checks.check(judge, base=commits[0], head=commits[1], branch=source_branch)
        found = [(commits[1], line)]
    _show_checked(found, as_json=as_json)


def diff(
    base: Annotated[str, typer.Argument(help="Commit of the main branch.")],
    head: Annotated[str, typer.Argument(help="Commit that wants to get there.")],
    *,
    comment: Annotated[
        Path | None, typer.Option(help="Write the text of a comment, below forges' limits.")
    ] = None,
    schemas: Annotated[
        str, typer.Option(help="Where kubeconform finds schemas; none: no schema check.")
    ] = "",
    chart: Chart = None,
    as_json: Json = False,
    repository: Folder = Path(),
) -> None:
    """Render all environments before and after a change, judge and compare them."""
    clone = Repository(folder=repository)
    head_commit = clone.commit(head)
    start = clone.merge_base(clone.commit(base), head=head_commit)
    review = Review(registry=Registry(), chart=chart, schemas=schemas)
    found = review.run(Releases(clone, start), head=Releases(clone, head_commit))
    if comment:
        comment.write_text(messages.comment(found), encoding="utf-8")
    if as_json:
        listed = {
            name: {"findings": findings, "rendered": change.summary, "difference": change.text}
            for name, (findings, change) in found.items()
        }
        sys.stdout.write(show.as_json(listed) + "\n")
    else:
        for name, (findings, change) in found.items():
            show.reviewed(show.console(), name, findings=findings, difference=change)
    if refusals(found):
        raise typer.Exit(EXIT_REFUSED)


def _show_checked(found: list[tuple[str, list[Finding]]], *, as_json: bool) -> None:
    out = show.console()
    if as_json:
        listed = [{"commit": commit, "findings": line} for commit, line in found]
        sys.stdout.write(show.as_json(listed) + "\n")
    for commit, line in () if as_json else found:
        show.checked(out, commit[:12], findings=line)
    if any(refused(line) for _, line in found):
        raise typer.Exit(EXIT_REFUSED)
