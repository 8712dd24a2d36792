"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Option("--repository", help="Folder of the clone.")]
Remote = Annotated[str, typer.Option("--remote", help="Remote that holds the main branch.")]
Main = Annotated[str, typer.Option("--branch", help="The main branch.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Judge and show; push nothing.")]
Print = Annotated[
    bool, typer.Option("--print", help="Push the branch, and print the pull request's text.")
]
ForgeName = Annotated[
    str, typer.Option("--forge", help="github, gitlab or gitea, where the host does not tell.")
]
Context = Annotated[str, typer.Option("--context", help="Also ask the source's cluster.")]
Engine = Annotated[str, typer.Option("--engine", help="flux or argocd.")]
Chart = Annotated[
    Path | None, typer.Option("--chart", help="Render this chart's folder, not the pinned ones.")
]
FreezeReason = Annotated[
    str, typer.Option("--override-freeze", metavar="REASON", help="Lands in the commit.")
]
