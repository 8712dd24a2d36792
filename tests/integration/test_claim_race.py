"""Idle pods of a real API server, wanted by two executors: claimed once, by their own shape."""

from claim_race import Race
from kube_apiserver import connect


async def test_two_executors_never_get_the_same_pod_nor_a_stale_one(
    api_server, namespace, tmp_path
):
    race = Race(lambda: connect(api_server), namespace, tmp_path / "pod.yaml")
    result = await race.run(waves=3, idle=40, launches=60)
    assert result.double_launches == []
    assert result.double_pods == []
    assert result.stale == []
    assert result.unfinished == 0
    assert race.verdicts() == {"SUCCESS": 180}
    assert result.warm >= 3 * 25, "most idle pods of the template in force serve"
