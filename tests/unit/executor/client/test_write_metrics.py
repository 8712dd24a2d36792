"""Calls that change a pod are measured under the names of Airflow's KubernetesExecutor."""

import pytest

from tradewind import metrics
from tradewind.client.auth import Credentials, FixedProof
from tradewind.client.errors import ClusterError
from tradewind.client.http import HttpCluster
from tradewind.testing.recorded_metrics import RecordedMetrics

WRITES = {
    "create": (
        lambda cluster: cluster.create_pod("a", {"metadata": {"name": "p"}}),
        metrics.POD_CREATION,
        metrics.POD_CREATION_STATUS,
    ),
    "patch": (
        lambda cluster: cluster.patch_pod("a", "p", {}),
        metrics.POD_PATCHING,
        metrics.POD_PATCHING_STATUS,
    ),
    "delete": (
        lambda cluster: cluster.delete_pod("a", "p", uid="u"),
        metrics.POD_DELETION,
        metrics.POD_DELETION_STATUS,
    ),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("status", "told"), [(201, "200"), (403, "403"), (0, "error")], ids=["done", "refused", "lost"]
)
async def test_a_write_is_timed_and_counted_by_its_status(serve, answer, write, status, told):
    call, timer, counter = WRITES[write]
    said = answer(status, b'{"metadata": {"name": "p"}}') if status else b""
    raw = await serve(said, said)  # aiohttp repeats a DELETE once that a closed connection lost.
    recorded = RecordedMetrics()
    cluster = HttpCluster(
        Credentials(server=raw.url, prover=FixedProof()),
        request_timeout_s=5,
        silence_s=5,
        measured=recorded,
    )
    if told == "200":
        await call(cluster)
    else:
        with pytest.raises(ClusterError):
            await call(cluster)
    await cluster.close()
    assert recorded.total(counter, status=told) == 1
    assert len(list(recorded.series[timer])) == 1
    others = [c for _, _, c in WRITES.values() if c is not counter]
    assert not any(list(recorded.series[other]) for other in others)
