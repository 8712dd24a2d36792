"""Whether a pod carries its workload in its arguments or fetches it: one table. Pure."""

from __future__ import annotations

from typing import Literal

from tradewind.pods.merge import BASE_CONTAINER, Manifest

Delivery = Literal["args", "boarding"]


def choose(*, setting: str, asked: str, answers: bool, keeps_worker: bool) -> Delivery:
    """Return how the pod gets its workload.

    Args:
        setting: `[tradewind] delivery`: `auto`, `boarding` or `args`.
        asked: what the task or its queue says; empty when neither does.
        answers: whether the endpoint has been seen to answer.
        keeps_worker: whether the task's container has image and command of the pod template.

    """
    match asked or setting:
        case "boarding":
            return "boarding"
        case "auto" if answers and keeps_worker:
            return "boarding"
        case _:
            return "args"


def keeps_worker(pod: Manifest, *, of: Manifest, image: str) -> bool:
    """Tell whether the task's container has image and command of the executor's own template.

    Another image may hold Airflow and not our worker. `image` replaces the template's when not
    empty.
    """
    ours, theirs = _base(pod), _base(of)
    same_image = ours.get("image") == (image or theirs.get("image"))
    return same_image and ours.get("command") == theirs.get("command")


def _base(pod: Manifest) -> Manifest:
    containers = pod["spec"].get("containers") or ()
    return next((one for one in containers if one.get("name") == BASE_CONTAINER), {})
