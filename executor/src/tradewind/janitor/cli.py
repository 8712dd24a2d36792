"""`tradewind janitor …`: parses, calls, prints. Needs no Airflow."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from tradewind.errors import TradewindError

_EXIT_DOUBTFUL = 1
_EXIT_UNUSABLE = 2


def main(arguments: Sequence[str]) -> int:
    """Run `janitor` with these arguments; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.call(options))
    except TradewindError as error:
        sys.stderr.write(f"error: {error}\n")
        return _EXIT_UNUSABLE
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tradewind janitor",
        description="Deletes task pods that nobody owns any more. Settings come from "
        "TRADEWIND_JANITOR_… in the environment: docs/janitor.md.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    run = verbs.add_parser("run", help="Watch and sweep until stopped, as the Deployment does")
    run.set_defaults(call=_run)
    sweep = verbs.add_parser("sweep", help="Show what would be deleted and why, or delete it")
    sweep.set_defaults(call=_sweep)
    how = sweep.add_mutually_exclusive_group()
    how.add_argument("--dry-run", action="store_true", help="Only show; the default")
    how.add_argument(
        "--delete",
        action="store_true",
        help="Delete; looks again until every proof has lasted long enough",
    )
    sweep.add_argument(
        "--wait",
        type=float,
        default=960.0,
        metavar="SECONDS",
        help="How long --delete looks again; default %(default).0f",
    )
    sweep.add_argument("--all", action="store_true", help="Show pods that stay, too")
    sweep.add_argument("--json", action="store_true", help="Print JSON instead of a table")
    _add_settings(sweep)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Add the settings that people change from call to call; others stay in the environment."""
    parser.add_argument("--namespace", dest="namespaces", metavar="A,B", help="Namespaces")
    parser.add_argument("--installation", help="[tradewind] installation of the Airflow")
    parser.add_argument("--airflow-url", help="Base address of Airflow's API server")
    parser.add_argument("--context", help="Context of the kubeconfig")
    parser.add_argument(
        "--removed",
        choices=("executor", "installation"),
        help="Say that the executor, or Airflow with it, is gone for good. With `installation` "
        "nobody is asked: every pod of it that is old enough goes",
    )


def _run(_: argparse.Namespace) -> int:
    from tradewind.janitor import handlers, log, settings  # noqa: PLC0415 - slow to import

    found = settings.load()
    log.configure(found.log_level)
    asyncio.run(handlers.serve(found))
    return 0


def _sweep(options: argparse.Namespace) -> int:
    from tradewind.janitor import log, once, settings  # noqa: PLC0415 - slow to import

    found = settings.load(
        namespaces=options.namespaces,
        installation=options.installation,
        airflow_url=options.airflow_url,
        context=options.context,
        removed=options.removed,
        dry_run=not options.delete,
        port=0,
    )
    log.configure("WARNING")
    report = asyncio.run(
        once.sweep(found, tells_all=options.all, wait_s=options.wait if options.delete else 0.0)
    )
    if options.json:
        shown = once.as_dict(report, dry_run=found.dry_run)
        sys.stdout.write(json.dumps(shown, indent=2) + "\n")
    else:
        once.show(report)
    if report.failure:
        sys.stderr.write(f"nothing was deleted: {report.failure}\n")
        return _EXIT_DOUBTFUL
    return 0
