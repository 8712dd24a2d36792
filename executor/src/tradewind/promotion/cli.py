"""`tradewind promote …`: parses, calls, prints. Exit codes are in docs/contract.md."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tradewind.promotion import judging, show, status
from tradewind.promotion import proposal as proposals
from tradewind.promotion.findings import EXIT_REFUSED, PromotionError, refused
from tradewind.promotion.forges import choose
from tradewind.promotion.forges.forge import Forge
from tradewind.promotion.git import Repository
from tradewind.promotion.parameters import (
    Chart,
    Context,
    DryRun,
    Engine,
    Folder,
    ForgeName,
    FreezeReason,
    Json,
    Main,
    Print,
    Remote,
)
from tradewind.promotion.proposal import Cluster, Proposal, Sources
from tradewind.promotion.publish import Published, publish
from tradewind.promotion.registry import Registry
from tradewind.promotion.releases import Releases
from tradewind.promotion.rules import Overrides

app = typer.Typer(
    help="Carry a release to the next environment by a pull request of one file: docs/gitops.md.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(judging.check)
app.command()(judging.diff)


def main(arguments: Sequence[str]) -> int:
    """Run `promote` with these arguments; return the exit code."""
    try:
        app(list(arguments), prog_name="tradewind promote")
    except PromotionError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@app.callback(invoke_without_command=True)
def promote(  # noqa: PLR0913 - options of a command line
    ctx: typer.Context,
    *,
    source: Annotated[str, typer.Option("--from", help="Environment that runs it.")] = "",
    target: Annotated[str, typer.Option("--to", help="Environment right after it.")] = "",
    version: Annotated[str, typer.Option(help="Refuse when another one runs there.")] = "",
    soak: Annotated[
        str, typer.Option("--override-soak", metavar="REASON", help="Lands in the commit.")
    ] = "",
    freeze: FreezeReason = "",
    context: Context = "",
    engine: Engine = "flux",
    chart: Chart = None,
    forge: ForgeName = "",
    dry_run: DryRun = False,
    prints: Print = False,
    as_json: Json = False,
    repository: Folder = Path(),
    remote: Remote = "origin",
    branch: Main = "main",
) -> None:
    """Promote what runs in --from to --to."""
    if ctx.invoked_subcommand:
        return
    if not (source and target):
        raise typer.BadParameter("name two environments: --from dev --to staging")
    clone = Repository(folder=repository, remote=remote)
    chosen = Cluster(context=context, engine=_engine(engine))
    with _sources(clone, branch=branch, chosen=chosen, chart=chart) as sources:
        reasons = Overrides(soak=soak, freeze=freeze)
        found = proposals.promotion(
            sources, source=source, target=target, version=version, overrides=reasons
        )
        if found is None:
            _nothing(f"{target} runs what {source} runs: nothing to promote", as_json=as_json)
            return
        ways = _Ways(dry_run=dry_run, prints=prints, as_json=as_json, forge=forge, main=branch)
        _go(found, clone=clone, ways=ways)


@app.command()
def rollback(  # noqa: PLR0913 - options of a command line
    environment: Annotated[str, typer.Argument(help="Environment to take back.")],
    *,
    to: Annotated[str, typer.Option(help="Commit that brought the release; default: last.")] = "",
    freeze: FreezeReason = "",
    chart: Chart = None,
    forge: ForgeName = "",
    dry_run: DryRun = False,
    prints: Print = False,
    as_json: Json = False,
    repository: Folder = Path(),
    remote: Remote = "origin",
    branch: Main = "main",
) -> None:
    """Go back to an earlier release of an environment."""
    clone = Repository(folder=repository, remote=remote)
    with _sources(clone, branch=branch, chosen=Cluster(), chart=chart) as sources:
        reasons = Overrides(freeze=freeze)
        found = proposals.rollback(sources, target=environment, to=to, overrides=reasons)
        ways = _Ways(dry_run=dry_run, prints=prints, as_json=as_json, forge=forge, main=branch)
        _go(found, clone=clone, ways=ways)


@app.command("status")
def status_command(
    *,
    contexts: Annotated[
        list[str] | None, typer.Option("--context", metavar="ENVIRONMENT=CONTEXT")
    ] = None,
    engine: Engine = "flux",
    as_json: Json = False,
    repository: Folder = Path(),
    remote: Remote = "origin",
    branch: Main = "main",
) -> None:
    """Show what each environment pins, runs, and waits for."""
    named = dict(_pair(text) for text in contexts or [])
    clone = Repository(folder=repository, remote=remote)
    releases = Releases(clone, clone.fetch(branch))
    found = status.rows(releases, contexts=named, engine=_engine(engine), now=datetime.now(UTC))
    if as_json:
        sys.stdout.write(show.as_json(found) + "\n")
    else:
        show.console().print(show.rows(found))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """How far to go, and how to tell it."""

    dry_run: bool
    prints: bool
    as_json: bool
    forge: str
    main: str


def _go(found: Proposal, *, clone: Repository, ways: _Ways) -> None:
    """Print a proposal, and publish it unless it is refused or only shown."""
    is_refused = bool(refused(found.findings))
    goes = not (is_refused or ways.dry_run)
    url = clone.url()
    forge: Forge | None = None
    if goes and not ways.prints:
        # First, so that its sentence does not stand below a long difference.
        forge = choose.choose(url, named=ways.forge, environment=os.environ)
    if not ways.as_json:
        show.proposal(show.console(), found)
    published: Published | None = None
    if goes:
        published = publish(found, repository=clone, forge=forge, main=ways.main)
        if not published.url:
            page = choose.compare(url, named=ways.forge, branch=found.branch, base=ways.main)
            published = dataclasses.replace(published, url=page)
    if ways.as_json:
        sys.stdout.write(show.as_json(show.proposal_as_dict(found, published)) + "\n")
    elif published:
        _tell(found, published=published, prints=ways.prints)
    if is_refused:
        sentences = "; ".join(finding.sentence for finding in refused(found.findings))
        sys.stderr.write(f"refused, nothing was pushed: {sentences}\n")
        raise typer.Exit(EXIT_REFUSED)


def _tell(found: Proposal, *, published: Published, prints: bool) -> None:
    done = "pushed" if published.was_pushed else "holds it already:"
    lines = [f"branch {published.branch} {done} {published.commit[:12]}", published.url]
    if prints:
        lines += ["", found.title, "", found.body]
    sys.stdout.write("\n".join(lines) + "\n")


def _nothing(sentence: str, *, as_json: bool) -> None:
    text = show.as_json({"published": None, "reason": sentence}) if as_json else sentence
    sys.stdout.write(text + "\n")


@contextmanager
def _sources(
    clone: Repository, *, branch: str, chosen: Cluster, chart: Path | None
) -> Iterator[Sources]:
    clone.require()
    registry = Registry()
    try:
        yield Sources(
            releases=Releases(clone, clone.fetch(branch)),
            registry=registry,
            now=datetime.now(UTC),
            cluster=chosen,
            chart=chart,
        )
    finally:
        registry.close()


def _engine(name: str) -> str:
    if name not in {"flux", "argocd"}:
        raise typer.BadParameter(f"--engine {name!r}: choose flux or argocd")
    return name


def _pair(text: str) -> tuple[str, str]:
    name, joint, context = text.partition("=")
    if not (name and joint and context):
        raise typer.BadParameter(f"--context {text!r}: write ENVIRONMENT=CONTEXT")
    return name, context
