"""The janitor as a process: killed in the middle, and beside an Airflow that answers oddly."""

import asyncio

from aiohttp import web
from janitor_process import start
from janitor_rig import airflow, rig

from tradewind.testing.builders import base_ended, base_running

__all__ = ["airflow", "rig", "start"]

WITHIN_S = 60


async def until(claim, *, what):
    async with asyncio.timeout(WITHIN_S):
        while not claim():
            await asyncio.sleep(0.2)
    assert claim(), what


async def test_a_janitor_that_is_killed_while_it_deletes_holds_no_pod_and_another_goes_on(
    rig, start
):
    await rig.launch("running", base_running())
    rig.over("running", "running")
    orphans = {f"orphan-{number}" for number in range(40)}
    for name in orphans:
        await rig.launch(name, base_ended(0))
        rig.over(name)
    # A sweep that deletes few at once: there is a middle to be killed in.
    first = start(most_deletions=5)
    async with asyncio.timeout(WITHIN_S):
        while len(await rig.names()) > len(orphans):
            await asyncio.sleep(0.1)
    first.kill()
    left = await rig.names()
    assert "running" in left
    assert len(left) > 1
    for name in left:
        assert not (await rig.cluster.get_pod(rig.namespace, name)).metadata.finalizers
    second = start()
    await rig.left({"running"})
    second.kill()
    await rig.node.vanish(rig.namespace, "running")
    await rig.left(set(), within_s=10)


async def late():
    await asyncio.sleep(30)
    return web.json_response({})


def page(status):
    return lambda: web.Response(text="<title>Sign in</title>", status=status)


def says(status, **body):
    return lambda: web.json_response(body, status=status)


def redirect():
    return web.Response(status=302, headers={"Location": "/login"})


ODD = [
    # What answers, whether logins work, the sentence, the metric's kind.
    (says(401, detail="no"), False, "refuses the login of 'janitor' (401)", "refused"),
    (page(200), False, "did not answer as Airflow's API does", "unreadable"),
    (says(403, detail="no"), True, "lets the janitor's user not read", "refused"),
    (says(500, detail="oops"), True, "Airflow fails on", "failing"),
    (page(502), True, "Airflow fails on", "failing"),
    (page(200), True, "did not answer as Airflow's API does", "unreadable"),
    (says(200, detail="ok"), True, "did not answer as Airflow's API does", "unreadable"),
    (redirect, True, "an odd answer about", "unreadable"),
    (late, True, "did not answer within 1 s", "unreachable"),
]


async def test_whatever_airflow_answers_is_one_sentence_and_a_count_and_nothing_goes(rig, start):
    await rig.launch("orphan", base_ended(0))
    rig.over("orphan")
    rig.airflow.broken = ODD[0][0]
    janitor = start(airflow_timeout_s=1.0)
    for answer, signs_in, sentence, kind in ODD:
        rig.airflow.broken, rig.airflow.signs_in = answer, signs_in
        before = len(janitor.said()) + 1  # A sweep that is under way may still tell of the last.

        def told(since=before, sentence=sentence):
            return [
                event
                for event in janitor.said()[since:]
                if event.startswith("nothing is deleted: ") and sentence in event
            ]

        await until(told, what=sentence)
        name = "tradewind_janitor_evidence_errors_total"
        assert janitor.count(name, kind=kind) > 0
        assert await rig.names() == {"orphan"}
    rig.airflow.broken = None
    await rig.left(set())
    # Not a word but sentences: no traceback, and nothing twice in one sweep.
    assert not [event for event in janitor.said() if "Traceback" in event]
