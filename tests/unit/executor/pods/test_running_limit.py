import pytest

from tradewind.pods import running_limit
from tradewind.testing.builders import a_pod

CREATED = "2026-01-01T00:00:00Z"
CREATED_S = 1_767_225_600


def a_manifest(**spec):
    return {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "base"}]} | spec}


@pytest.mark.parametrize(
    ("timeout_s", "spec", "expected"),
    [
        pytest.param(600.0, {}, 2400, id="timeout-and-margin"),
        pytest.param(0.2, {}, 1801, id="whole-seconds-and-never-too-few"),
        pytest.param(None, {}, None, id="without-a-timeout-there-is-no-limit"),
        pytest.param(-5000.0, {}, 1, id="a-negative-timeout-is-still-a-pod-kubernetes-takes"),
        pytest.param(1e12, {}, 2**31 - 1, id="a-timeout-beyond-the-field"),
        pytest.param(600.0, {"activeDeadlineSeconds": 60}, 60, id="a-limit-of-ones-own-stays"),
        pytest.param(600.0, {"activeDeadlineSeconds": None}, 2400, id="null-is-none"),
    ],
)
def test_a_pods_limit(timeout_s, spec, expected):
    given = a_manifest(**spec)
    limited = running_limit.limited(given, timeout_s=timeout_s, margin_s=1800.0)
    assert limited["spec"].get("activeDeadlineSeconds") == expected
    assert given == a_manifest(**spec)


@pytest.mark.parametrize(
    ("wanted", "idle", "created", "expected"),
    [
        pytest.param(2400, {}, CREATED, 3000, id="its-time-has-been-running-for-600-s"),
        pytest.param(None, {}, CREATED, None, id="a-launch-without-a-limit"),
        pytest.param(2400, {"activeDeadlineSeconds": 9000}, CREATED, None, id="cannot-be-raised"),
        pytest.param(2400, {}, "soon", None, id="no-one-knows-how-old-it-is"),
        pytest.param(2400, {}, "2026-01-01T01:00:00Z", 2400, id="our-clock-is-behind"),
        pytest.param(2**31 - 1, {}, CREATED, 2**31 - 1, id="beyond-the-field"),
    ],
)
def test_an_idle_pods_limit(wanted, idle, created, expected):
    manifest = a_manifest(activeDeadlineSeconds=wanted)
    pod = a_pod(spec=idle, creationTimestamp=created)
    assert running_limit.of_claimed(manifest, pod, utc_s=CREATED_S + 600) == expected
