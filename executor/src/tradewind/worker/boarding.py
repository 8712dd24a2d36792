"""Ask the boarding endpoint for this pod's workload until there is one, or no use in asking."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tradewind import __version__, contract
from tradewind.errors import ConfigError
from tradewind.worker.answers import Again, Answer, End, Patience, Run, Wait, read

_HOLD_S = 25.0
_JITTER = 0.2
"""Of the hold: pods that lost the same server do not all come back in one second."""


class Asked(Protocol):
    """What answers; `endpoint.Endpoint` does."""

    url: str

    def ask(self, *, hold_s: float) -> Answer:
        """Return the answer to one request. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the pod's environment says."""

    url: str
    token_file: Path
    template: str
    budget_s: float | None
    hold_s: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in the environment.

        Raises:
            ConfigError: the address is missing or no http URL, or a number is none.

        """
        url = environment.get(contract.ENV_URL, "")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"{contract.ENV_URL} is {url!r}, no http address: a pod without --json-string or "
                "--json-path boards, and needs the address of the endpoint"
            )
        return cls(
            url=url,
            token_file=Path(environment.get(contract.ENV_TOKEN_FILE) or contract.TOKEN_FILE),
            template=environment.get(contract.ENV_TEMPLATE, ""),
            budget_s=seconds(environment, contract.ENV_BUDGET),
            hold_s=seconds(environment, contract.ENV_HOLD) or _HOLD_S,
        )


def seconds(environment: Mapping[str, str], name: str) -> float | None:
    """Return the number in that variable, or None where it is not set.

    Raises:
        ConfigError: it is no number.

    """
    text = environment.get(name, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}: give a number of seconds") from None


WORKER = __version__
"""Version that the endpoint is told."""


def board(
    endpoint: Asked,
    settings: Settings,
    *,
    tell: Callable[[str], None],
    rng: random.Random,
    now_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Run | End:
    """Return the workload, or why none will run in this pod. Blocks; never raises.

    Args:
        endpoint: what is asked.
        settings: how often and how long.
        tell: gets a sentence whenever the reason to ask again is a new one.
        rng: of the jitter.
        now_s: monotonic clock.
        sleep: waits that many seconds.

    """
    patience = Patience(started_s=now_s(), budget_s=settings.budget_s, rng=rng)
    told = ""
    while True:
        hold_s = _hold_s(settings, patience.left_s(now_s()), rng)
        said = read(endpoint.ask(hold_s=hold_s), url=endpoint.url)
        if not isinstance(said, Again):
            return said
        next_step = patience.judge(said, now_s=now_s())
        if isinstance(next_step, End):
            return next_step
        told = _tell_news(next_step, told, tell)
        sleep(next_step.seconds)


def _hold_s(settings: Settings, left_s: float | None, rng: random.Random) -> float:
    hold_s = settings.hold_s * rng.uniform(1 - _JITTER, 1 + _JITTER)
    return round(hold_s if left_s is None else min(hold_s, left_s), 3)


def _tell_news(step: Wait, told: str, tell: Callable[[str], None]) -> str:
    """Tell the reason once for as long as it stays the same; return what was told last."""
    if step.why and step.why != told:
        tell(step.why)
    return step.why
