"""One view per pod, and none of a pod that cannot be read."""

import msgspec
import pytest

from tradewind.janitor.handlers import registry_of
from tradewind.janitor.picture import Picture
from tradewind.janitor.view import Stage
from tradewind.testing.builders import base_ended, base_running


def event(kind, name="a", *, status=None, version=1):
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"type": kind, "object": {"metadata": metadata, "status": status or base_running()}}


def drawn(*events):
    picture = Picture()
    for one in events:
        picture.take(one)
    return {view.name: (view.stage, view.version) for view in picture.views()}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([event(None)], {"a": (Stage.RUNNING, "1")}, id="listed"),
        pytest.param(
            [event(None), event("ADDED", "b", version=2)],
            {"a": (Stage.RUNNING, "1"), "b": (Stage.RUNNING, "2")},
            id="added",
        ),
        pytest.param(
            [event(None), event("MODIFIED", status=base_ended(0), version=2)],
            {"a": (Stage.SUCCEEDED, "2")},
            id="changed",
        ),
        pytest.param([event(None), event("DELETED", version=2)], {}, id="deleted"),
        pytest.param([event("DELETED")], {}, id="deleted, and never seen"),
    ],
)
def test_the_picture_follows_the_watch(events, expected):
    assert drawn(*events) == expected


def test_a_pod_that_cannot_be_read_is_not_judged_by_what_it_was():
    picture = Picture()
    picture.take(event(None))
    odd = event("MODIFIED", version=2)
    odd["object"]["status"]["phase"] = ["no", "phase"]
    with pytest.raises(msgspec.ValidationError):
        picture.take(odd)
    assert picture.views() == []


@pytest.mark.parametrize("kind", ["indexing", "spawning", "changing"])
def test_kopf_has_no_handler_that_lets_pods_wait_for_each_other_or_writes_to_them(kind):
    """Indices wait for the whole list; timers, daemons and changes need finalizers or notes."""
    registry = registry_of(object())
    assert not getattr(registry, f"_{kind}").get_all_handlers()
