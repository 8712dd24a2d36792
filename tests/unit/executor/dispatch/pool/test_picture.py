from datetime import UTC, datetime

import pytest

from tradewind.dispatch.pool.members import IMPORTS_WITHIN_S, Standing
from tradewind.dispatch.pool.picture import Picture
from tradewind.testing.builders import a_pod, base_running
from tradewind.watch.reflector import Change, Listing

LABELS = {"tradewind/pool": "p", "tradewind/template": "h1", "tradewind/installation": "ours"}


NOW_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""When the builders' containers began to run."""


def change(uid="u1", *, version="1", gone=False, status=None, **labels):
    more = {f"tradewind/{name.replace('_', '-')}": value for name, value in labels.items()}
    pod = a_pod(
        name=uid,
        uid=uid,
        resourceVersion=version,
        labels=LABELS | more,
        status=base_running() if status is None else status,
    )
    return Change(pod=pod, gone=gone)


def a_picture(*changes):
    picture = Picture(installation="ours")
    for one in changes:
        picture.on_change(one)
    return picture


def test_an_idle_pod_is_taken_once():
    picture = a_picture(change())
    member = picture.take("h1")
    assert member.uid == "u1"
    assert picture.take("h1") is None
    assert picture.free() == {}
    assert picture.reserved("claim") == {"u1"}
    picture.release(member)
    assert picture.free() == {"h1": 1}


def test_news_of_a_reserved_pod_does_not_free_it():
    picture = a_picture(change())
    picture.take("h1")
    picture.on_change(change(version="2"))
    assert picture.take("h1") is None


def test_a_spoilt_pod_is_left_alone_until_the_watch_shows_a_later_version():
    picture = a_picture(change())
    picture.release(picture.take("h1"), spoilt=True)
    assert picture.take("h1") is None
    picture.on_change(change(version="1"))
    assert picture.take("h1") is None
    picture.on_change(change(version="2"))
    assert picture.take("h1").uid == "u1"


@pytest.mark.parametrize(
    "later",
    [
        pytest.param({"gone": True}, id="gone"),
        pytest.param({"launch_id": "l"}, id="claimed"),
        pytest.param({"draining": "true"}, id="draining"),
        pytest.param({"status": {"phase": "Failed"}}, id="dead"),
    ],
)
def test_a_pod_that_can_serve_no_more_is_not_free(later):
    picture = a_picture(change(), change(version="2", **later))
    assert picture.free() == {}
    assert picture.take("h1") is None


def test_pods_of_another_airflow_are_not_in_the_picture():
    assert a_picture(change(installation="theirs")).members() == []


def test_a_complete_list_forgets_what_it_does_not_show():
    picture = a_picture(change("u1"), change("u2"))
    picture.on_listed(Listing(namespace="elsewhere", began_s=0.0, uids=frozenset()))
    assert len(picture.members()) == 2
    picture.on_listed(Listing(namespace="tasks", began_s=0.0, uids=frozenset({"u2"})))
    assert [member.uid for member in picture.members()] == ["u2"]


def test_it_counts_by_pool_and_standing():
    starting = {"phase": "Pending"}
    picture = a_picture(change("u1"), change("u2", status=starting), change("u3", status=starting))
    assert picture.standing() == {("p", Standing.IDLE): 1, ("p", Standing.STARTING): 2}
    assert picture.starting(NOW_S, template="h1") == picture.starting(NOW_S) == 2
    assert picture.starting(NOW_S, template="h2") == 0


def test_a_pod_that_imports_may_be_claimed_after_those_that_wait():
    imports = base_running(started=False)
    picture = a_picture(change("u1", status=imports), change("u2"))
    assert picture.free() == {"h1": 2}
    assert [picture.take("h1").uid for _ in range(2)] == ["u2", "u1"]


@pytest.mark.parametrize(
    ("after_s", "starting"),
    [
        pytest.param(1, 1, id="it-imports"),
        pytest.param(IMPORTS_WITHIN_S, 0, id="for-so-long-that-its-probe-cannot-pass"),
    ],
)
def test_how_long_a_running_pod_counts_as_starting(after_s, starting):
    imports = base_running(started=False)
    assert a_picture(change(status=imports)).starting(NOW_S + after_s) == starting
