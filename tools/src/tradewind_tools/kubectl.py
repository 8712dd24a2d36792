"""kubectl, always pinned to the target's kubeconfig and context."""

import json
import os
import subprocess
from functools import cache
from typing import Any

from tradewind_tools import programs
from tradewind_tools.errors import WorkFailedError
from tradewind_tools.target import Target

TIMEOUT_S = 60.0


@cache
def binary() -> str:
    """Return the path of kubectl, building it when needed."""
    return str(programs.ensure("kubernetes", binaries=["kubectl"])["kubectl"])


def command(target: Target, *arguments: str) -> list[str]:
    """Return a whole command line."""
    return [binary(), *target.kubectl_arguments, *arguments]


def environment(target: Target) -> dict[str, str]:
    """Return the environment that command lines for this target need."""
    return os.environ | target.environment


def run(target: Target, *arguments: str, text_input: str | None = None) -> str:
    """Return what kubectl printed; raises WorkFailedError with its reason."""
    try:
        done = subprocess.run(
            command(target, *arguments),
            env=environment(target),
            input=text_input or "",
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkFailedError(
            f"the cluster of context {target.context!r} did not answer within {TIMEOUT_S:.0f} s"
        ) from error
    if done.returncode:
        reason = done.stderr.strip()[-600:]
        raise WorkFailedError(f"`kubectl {' '.join(arguments)}` failed: {reason}")
    return done.stdout


def items(target: Target, *arguments: str) -> list[dict[str, Any]]:
    """Return the objects of `kubectl get …`; an empty list when there are none."""
    found: list[dict[str, Any]] = json.loads(run(target, "get", *arguments, "-o", "json"))["items"]
    return found
