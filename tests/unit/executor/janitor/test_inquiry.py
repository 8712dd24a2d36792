import pytest
from doubles import FakeWitness, ManualClock, manifest, unreachable
from pods_and_rows import a_row

from tradewind.janitor import inquiry as module
from tradewind.janitor import view
from tradewind.janitor.airflow_api import EvidenceError
from tradewind.janitor.evidence import Standing
from tradewind.janitor.inquiry import Inquiry
from tradewind.testing.builders import base_ended


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def airflow():
    return FakeWitness()


@pytest.fixture
def inquiry(airflow, clock):
    return Inquiry(airflow, monotonic_s=clock.now_s)


def pods_of(count, **more):
    return [
        manifest(f"p{n}", notes={"task_id": f"t{n}", "run_id": f"r{n % 7}"}, **more)
        for n in range(count)
    ]


def standings(answers):
    return {uid: told.standing for uid, told in answers.evidence.items()}


async def test_one_question_covers_many_pods_of_a_dag(inquiry, airflow):
    pods = pods_of(40)
    for pod in pods:
        airflow.tell(pod, a_row("running", id=f"row-{pod.metadata.name}"))
    answers = await inquiry.ask([view.of(pod) for pod in pods])
    assert answers.questions == 1
    assert set(standings(answers).values()) == {Standing.LIVE}
    assert len(answers.evidence) == 40


async def test_all_pods_of_a_mapped_task_are_in_one_question(inquiry, airflow):
    pods = [manifest(f"p{n}", notes={"map_index": str(n)}) for n in range(120)]
    for pod in pods:
        airflow.tell(pod, a_row("running", id=""))
    await inquiry.ask([view.of(pod) for pod in pods])
    assert [len(asked) for asked in airflow.asked] == [120]


async def test_what_a_list_leaves_out_is_asked_for_by_itself(inquiry, airflow):
    pod = manifest()
    airflow.tell(pod, a_row("running", id="row-etl-load"))
    airflow.hidden = set(airflow.instances)
    answers = await inquiry.ask([view.of(pod)])
    assert standings(answers) == {"uid-etl-load": Standing.LIVE}
    assert answers.questions == 2


async def test_only_a_direct_answer_says_that_a_task_is_gone(inquiry, airflow):
    answers = await inquiry.ask([view.of(manifest())])
    assert standings(answers) == {"uid-etl-load": Standing.GONE}
    assert [len(asked) for asked in airflow.asked] == [1, 1]


async def test_a_pod_that_runs_is_asked_about_now_and_then(inquiry, airflow, clock):
    pod = manifest()
    airflow.tell(pod, a_row("running", id="row-etl-load"))
    for passed_s in (0.0, 60.0, 299.0):
        clock.passed_s = passed_s
        assert standings(await inquiry.ask([view.of(pod)]))
    assert len(airflow.asked) == 1
    clock.passed_s = 300.0
    await inquiry.ask([view.of(pod)])
    assert len(airflow.asked) == 2


async def test_a_pod_that_ended_is_asked_about_every_time(inquiry, airflow):
    pod = manifest(status=base_ended(0))
    airflow.tell(pod, a_row("running", id="row-etl-load"))
    for _ in range(3):
        await inquiry.ask([view.of(pod)])
    assert len(airflow.asked) == 3


async def test_a_standing_counts_from_when_it_was_first_seen(inquiry, airflow, clock):
    pod = manifest()
    seen = []
    for passed_s, state in ((0.0, "failed"), (9.0, "failed"), (10.0, "running"), (400.0, "failed")):
        clock.passed_s = passed_s
        airflow.tell(pod, a_row(state, id="row-etl-load"))
        answers = await inquiry.ask([view.of(pod)])
        seen.append(answers.evidence["uid-etl-load"].lasted_s)
    assert seen == [0.0, 9.0, 0.0, 0.0]


@pytest.fixture
def unproven(airflow):
    """Return a pod whose row is another's, which alone may be the word of another Airflow."""
    pod = manifest("b", notes={"task_id": "t2"})
    airflow.tell(pod, a_row("failed", id="row-of-another", try_number=2))
    return view.of(pod)


async def test_a_pod_that_runs_vouches_for_the_airflow_of_all(inquiry, airflow, unproven):
    ours = manifest("a")
    first = await inquiry.ask([unproven])
    assert not first.evidence["uid-b"].is_trusted
    airflow.tell(ours, a_row("running", id="row-a"))
    then = await inquiry.ask([view.of(ours), unproven])
    assert then.evidence["uid-b"].is_trusted


async def test_a_young_pod_vouches_when_it_is_needed(inquiry, airflow, unproven):
    young = manifest("a")
    airflow.tell(young, a_row("queued", id="row-a"))
    answers = await inquiry.ask([unproven], vouchers=[view.of(young)])
    assert answers.evidence["uid-b"].is_trusted
    asked = len(airflow.asked)
    await inquiry.ask([], vouchers=[view.of(young)])
    assert len(airflow.asked) == asked


async def test_what_was_vouched_for_earlier_is_not_believed_about_later(inquiry, airflow, unproven):
    ours = manifest("a")
    airflow.tell(ours, a_row("running", id="row-a"))
    await inquiry.ask([view.of(ours)])
    # From here on the address may lead to another Airflow.
    answers = await inquiry.ask([unproven])
    assert not answers.evidence["uid-b"].is_trusted


async def test_a_pods_own_row_needs_nobody_to_vouch(inquiry, airflow):
    pod = manifest()
    airflow.tell(pod, a_row("failed", id="row-etl-load"))
    answers = await inquiry.ask([view.of(pod)])
    assert answers.evidence["uid-etl-load"].is_trusted


async def test_a_failure_ends_the_round_and_stale_answers_condemn_nobody(inquiry, airflow):
    pod = manifest()
    airflow.tell(pod, a_row("failed", id="row-etl-load"))
    await inquiry.ask([view.of(pod)])
    airflow.failure = unreachable()
    answers = await inquiry.ask([view.of(pod)])
    assert answers.failure is airflow.failure
    assert answers.about(view.of(pod)).standing is Standing.UNKNOWN


async def test_an_odd_answer_about_one_task_does_not_keep_the_others_waiting(inquiry, airflow):
    odd, fine = manifest("odd"), manifest("fine", notes={"dag_id": "z"})
    airflow.tell(fine, a_row("running", id="row-fine"))

    async def row(task):
        raise EvidenceError("an odd answer", kind="unreadable", about_one=True)

    airflow.row = row
    answers = await inquiry.ask([view.of(odd), view.of(fine)])
    assert [str(error) for error in answers.odd] == ["an odd answer"]
    assert standings(answers) == {"uid-fine": Standing.LIVE}


@pytest.mark.parametrize(
    "notes",
    [
        pytest.param({"dag_id": "../../variables"}, id="path"),
        pytest.param({"dag_id": ".."}, id="dots"),
        pytest.param({"task_id": "a b"}, id="space"),
        pytest.param({"dag_id": "x" * 251}, id="long"),
        pytest.param({"run_id": "a/b"}, id="slash in a run"),
        pytest.param({"run_id": "r?x=1"}, id="query"),
        pytest.param({"run_id": "r\nx"}, id="newline"),
        pytest.param({"run_id": ""}, id="empty"),
    ],
)
async def test_names_that_airflow_cannot_have_are_not_asked_about(inquiry, airflow, notes):
    pod = view.of(manifest(notes=notes))
    answers = await inquiry.ask([pod])
    assert (answers.evidence, airflow.asked) == ({}, [])
    assert (await inquiry.ask_again(pod)).standing is Standing.UNKNOWN


async def test_a_round_has_a_bounded_number_of_questions_and_the_next_goes_on(inquiry, airflow):
    pods = [view.of(manifest(f"p{n}", notes={"dag_id": f"d{n}"})) for n in range(300)]
    for n in range(300):
        airflow.tell(manifest(f"p{n}", notes={"dag_id": f"d{n}"}), a_row("running", id=f"row-p{n}"))
    first = await inquiry.ask(pods)
    assert first.questions == module._MOST_QUESTIONS
    second = await inquiry.ask(pods)
    assert second.questions == 300 - module._MOST_QUESTIONS
    assert len(second.evidence) == 300


@pytest.fixture
def slow_down(airflow, clock):
    """Return a function that lets every question take its time."""

    def slow_down(seconds):
        rows = airflow.rows

        async def slow(asked):
            clock.passed_s += seconds
            return await rows(asked)

        airflow.rows = slow

    return slow_down


async def test_a_slow_airflow_is_asked_less(inquiry, slow_down):
    dags = [{"dag_id": f"d{n}"} for n in range(100)]
    pods = [manifest(f"p{n}", notes=dag, status=base_ended(0)) for n, dag in enumerate(dags)]
    slow_down(9.0)
    answers = await inquiry.ask([view.of(pod) for pod in pods])
    assert answers.failure is None
    assert len(answers.evidence) == 4


@pytest.mark.parametrize("dags", [1, 8])
async def test_calm_pods_are_asked_about_over_several_sweeps_and_each_in_turn(
    inquiry, airflow, clock, slow_down, dags
):
    pods = [
        manifest(f"p{n}", notes={"dag_id": f"d{n % dags}", "task_id": f"t{n}"}) for n in range(400)
    ]
    for pod in pods:
        airflow.tell(pod, a_row("running", id=f"row-{pod.metadata.name}"))
    views = [view.of(pod) for pod in pods]
    slow_down(0.4)
    known = []
    for _ in range(4):
        known.append(len((await inquiry.ask(views)).evidence))
        # Longer than it takes until the first are due again.
        clock.passed_s += module._ASK_AGAIN_S
    assert known == [150, 300, 400, 400]


async def test_pods_in_doubt_are_all_asked_about_at_once(inquiry, airflow, slow_down):
    pods = pods_of(400, status=base_ended(0))
    for pod in pods:
        airflow.tell(pod, a_row("success", id=f"row-{pod.metadata.name}"))
    slow_down(0.4)
    assert len((await inquiry.ask([view.of(pod) for pod in pods])).evidence) == 400


async def test_pods_that_are_gone_are_forgotten(inquiry, clock):
    await inquiry.ask([view.of(manifest())])
    await inquiry.ask([])
    clock.passed_s = 9.0
    answers = await inquiry.ask([view.of(manifest())])
    assert answers.evidence["uid-etl-load"].lasted_s == 0.0
