"""`tradewind …`: the console script of what needs no Airflow; the rest is `airflow tradewind …`.

Each command is imported when it is called, because each has its own requirements.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

_COMMANDS = {
    "janitor": ("tradewind.janitor.cli", "delete task pods that nobody owns any more", "janitor"),
    "promote": ("tradewind.promotion.cli", "carry a release to the next environment", "promote"),
}
"""Name to module with a `main(arguments)`, help, and the extra that brings its requirements."""
_EXIT_UNUSABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0] if words else ""
    if name in {"-h", "--help"}:
        sys.stdout.write(_usage())
        return 0
    if name not in _COMMANDS:
        sys.stderr.write(_usage())
        return _EXIT_UNUSABLE
    module, _, extra = _COMMANDS[name]
    try:
        command = importlib.import_module(module)
        return int(command.main(words[1:]))
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"error: `tradewind {name}` needs {error.name}, which is not installed: "
            f"pip install 'airflow-tradewind[{extra}]'\n"
        )
        return _EXIT_UNUSABLE


def _usage() -> str:
    lines = [f"  {name:10} {text}" for name, (_, text, _) in sorted(_COMMANDS.items())]
    return "\n".join(["usage: tradewind COMMAND …", "", *lines, ""])


if __name__ == "__main__":
    raise SystemExit(main())
