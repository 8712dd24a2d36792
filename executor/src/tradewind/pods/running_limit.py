"""How long a pod may run: its workload's own timeout and a margin. Pure.

Airflow's worker ends a task at its `execution_timeout` itself. This ends the pods of workers that
hang, or that nobody hears of any more: the kubelet stops them at `activeDeadlineSeconds`, counted
from the pod's start on its node. So the margin has to hold what comes before the task, pulling the
image included, and what comes after it.
"""

from __future__ import annotations

import math
from datetime import datetime

from tradewind.client.models import Pod
from tradewind.pods.merge import Manifest

_MOST_S = 2**31 - 1
"""The field is a 32-bit integer."""


def limited(manifest: Manifest, *, timeout_s: float | None, margin_s: float) -> Manifest:
    """Return the pod with its limit.

    Unchanged without a timeout, and where template, override or hook set a limit of their own.
    """
    spec = manifest["spec"]
    if timeout_s is None or spec.get("activeDeadlineSeconds") is not None:
        return manifest
    limit = min(_MOST_S, max(1, math.ceil(timeout_s + margin_s)))
    return manifest | {"spec": spec | {"activeDeadlineSeconds": limit}}


def of_claimed(manifest: Manifest, pod: Pod, *, utc_s: float) -> int | None:
    """Return the limit for an idle pod that takes the place of `manifest`'s, or None for none.

    Its time has been running since it was started. A limit that the pod has cannot be raised.
    """
    limit = manifest["spec"].get("activeDeadlineSeconds")
    if limit is None or pod.spec.active_deadline_seconds is not None:
        return None
    try:
        created_s = datetime.fromisoformat(pod.metadata.creation_timestamp or "").timestamp()
    except ValueError:
        return None
    return min(_MOST_S, int(limit) + max(0, math.ceil(utc_s - created_s)))
