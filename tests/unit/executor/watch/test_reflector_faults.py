"""Every way a list or a watch can go wrong: nothing is lost, nothing is told twice."""

import asyncio
import collections
import contextlib
import dataclasses

import pytest

from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.client.models import ListMetadata, Metadata, Pod, PodPage, WatchEvent
from tradewind.testing import virtual_time
from tradewind.testing.builders import a_pod
from tradewind.watch.reflector import Reflector


@dataclasses.dataclass
class Quiet:
    """A step of a watch: nothing for so long."""

    seconds: float


class Script:
    """A cluster that answers as written; afterwards its watches are silent."""

    def __init__(self, lists, watches):
        self._lists = collections.deque(lists)
        self._watches = collections.deque(watches)
        self.listed = 0
        self.watched = []

    async def list_pods(self, namespace, *, selector, limit, resume=""):
        self.listed += 1
        answer = self._lists.popleft() if len(self._lists) > 1 else self._lists[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch_pods(self, namespace, *, selector, resource_version, timeout_s):
        self.watched.append(resource_version)
        for step in self._watches.popleft() if self._watches else [Quiet(timeout_s)]:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Quiet):
                await asyncio.sleep(step.seconds)
            else:
                yield step


def pod(name, version, *, phase="Pending"):
    return a_pod(
        name=name, uid=f"uid-{name}", resourceVersion=str(version), status={"phase": phase}
    )


def page(*pods, version=10, resume=""):
    return PodPage(
        metadata=ListMetadata(resource_version=str(version), resume=resume), items=tuple(pods)
    )


def event(kind, changed):
    return WatchEvent(type=kind, pod=changed)


def bookmark(version):
    return event("BOOKMARK", Pod(metadata=Metadata(name="", resource_version=str(version))))


async def told(script, *, for_s=60.0, on_listed=None):
    """Run a reflector over the script and return what it told as (name, version or 'gone')."""
    changes = []

    def note(change):
        metadata = change.pod.metadata
        changes.append((metadata.name, "gone" if change.gone else metadata.resource_version))
        if metadata.name == "poison":
            raise TypeError("no annotations")

    reflector = Reflector(
        script,
        namespace="tasks",
        selector="ours",
        page_size=500,
        clock=virtual_time.VirtualClock(),
        on_change=note,
        on_listed=on_listed or (lambda listing: None),
    )
    task = asyncio.create_task(reflector.run())
    await asyncio.sleep(for_s)
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return changes, reflector


async def test_duplicates_are_told_once():
    a, b = pod("a", 11), pod("a", 12, phase="Running")
    watch = [event("ADDED", a)] * 3 + [event("MODIFIED", b)] * 3 + [event("DELETED", b)] * 3
    changes, _ = await told(Script([page()], [watch]))
    assert changes == [("a", "11"), ("a", "12"), ("a", "gone")]


async def test_what_arrives_late_changes_nothing():
    watch = [
        event("MODIFIED", pod("a", 20, phase="Running")),
        event("MODIFIED", pod("a", 19)),
        event("DELETED", pod("a", 21)),
        event("MODIFIED", pod("a", 20, phase="Running")),
    ]
    changes, reflector = await told(Script([page()], [watch]))
    assert changes == [("a", "20"), ("a", "gone")]
    assert reflector.pods() == []


async def test_a_replay_from_the_beginning_is_not_told_again():
    a, b = pod("a", 5), pod("b", 6)
    watch = [event("ADDED", a), event("ADDED", b), event("ADDED", pod("c", 11))]
    changes, _ = await told(Script([page(a, b)], [watch]))
    assert changes == [("a", "5"), ("b", "6"), ("c", "11")]


async def test_a_pod_that_vanished_unwatched_is_told_gone_with_its_last_state():
    script = Script([page(pod("a", 5), pod("b", 6)), page(pod("b", 6))], [[ApiError(410)]])
    changes, _ = await told(script)
    assert changes[2:] == [("a", "gone")]


async def test_bookmarks_move_the_version_a_watch_resumes_from():
    script = Script([page()], [[bookmark(50), ConnectionLostError("silent for 70 s")]])
    changes, _ = await told(script)
    assert script.watched[:2] == ["10", "50"]
    assert script.listed == 1
    assert changes == []


async def test_a_storm_of_410_lists_each_time_and_tells_nothing_twice():
    script = Script([page(pod("a", 5))], [[Quiet(2), ApiError(410)]] * 60)
    changes, _ = await told(script, for_s=120)
    assert changes == [("a", "5")]
    assert 50 <= script.listed <= 61


async def test_a_server_to_which_every_list_is_too_old_is_asked_ever_more_slowly():
    script = Script([page(pod("a", 5))], [[ApiError(410)]] * 1000)
    changes, _ = await told(script, for_s=120)
    assert changes == [("a", "5")]
    assert 6 <= script.listed <= 12


async def test_one_list_that_is_too_old_costs_no_wait():
    script = Script([page(), page(pod("a", 12), version=12)], [[ApiError(410)]])
    changes, _ = await told(script, for_s=0.1)
    assert changes == [("a", "12")]


@pytest.mark.parametrize(
    "error",
    [
        ApiError(500, message="etcdserver: leader changed"),
        ApiError(504, message="Too large resource version: 99, current: 10"),
        ConnectionLostError("no answer"),
    ],
    ids=["leader-change", "version-from-the-future", "no-answer"],
)
async def test_a_version_that_is_refused_again_and_again_is_given_up(error):
    script = Script([page(), page(pod("a", 12), version=12)], [[error]] * 4)
    changes, _ = await told(script)
    assert script.listed == 2
    assert script.watched[-1] == "12"
    assert changes == [("a", "12")]


async def test_one_passing_error_costs_no_list():
    script = Script([page()], [[ApiError(500)], [event("ADDED", pod("a", 11)), Quiet(300)]])
    changes, _ = await told(script)
    assert script.listed == 1
    assert changes == [("a", "11")]


async def test_a_failing_list_is_repeated_within_bounds():
    script = Script([ApiError(503)] * 20 + [page(pod("a", 5))], [])
    changes, _ = await told(script, for_s=600)
    assert changes == [("a", "5")]


async def test_a_page_that_expired_begins_the_list_anew():
    broken = [page(pod("a", 5), resume="next"), ApiError(410)]
    changes, _ = await told(Script([*broken, page(pod("a", 5))], []))
    assert changes == [("a", "5")]


async def test_a_poison_pod_is_skipped_and_counted():
    watch = [event("ADDED", pod("poison", 11)), event("ADDED", pod("a", 12)), Quiet(300)]
    script = Script([page()], [watch])
    changes, reflector = await told(script)
    assert changes == [("poison", "11"), ("a", "12")]
    assert reflector.handler_errors == 1
    assert script.listed == 1


async def test_a_list_whose_handler_fails_still_counts_as_listed():
    def explode(listing):
        raise RuntimeError("surprise")

    _, reflector = await told(Script([page()], []), on_listed=explode)
    assert reflector.synced.is_set()
    assert reflector.handler_errors == 1


async def test_now_and_then_a_list_is_taken_for_the_truth():
    script = Script([page(pod("a", 5)), page()], [])
    changes, _ = await told(script, for_s=1700)  # watches take 300 to 600 s, lists fall due at 900
    assert changes == [("a", "5"), ("a", "gone")]
    assert script.listed == 2


async def test_watches_that_end_at_once_do_not_spin():
    script = Script([page()], [[]] * 1000)
    await told(script, for_s=60)
    assert len(script.watched) <= 61


async def test_ten_thousand_ended_pods_are_read_page_by_page():
    pages = [
        page(*(pod(f"p{number}-{n}", 5) for n in range(500)), resume="next" if number < 19 else "")
        for number in range(20)
    ]
    changes, reflector = await told(Script([*pages, page()], []))
    assert len(changes) == 10_000
    assert len(reflector.pods()) == 10_000
