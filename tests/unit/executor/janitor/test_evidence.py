import pytest
from pods_and_rows import a_row, a_try, a_view

from tradewind.janitor import evidence
from tradewind.janitor.evidence import Standing


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(a_row("queued"), Standing.LIVE, id="queued"),
        pytest.param(a_row("running"), Standing.LIVE, id="running"),
        pytest.param(a_row("restarting"), Standing.LIVE, id="cleared while it runs"),
        pytest.param(a_row("success"), Standing.FINISHED, id="succeeded"),
        pytest.param(a_row("failed"), Standing.FINISHED, id="failed"),
        pytest.param(a_row("up_for_retry"), Standing.FINISHED, id="waits for its next try"),
        pytest.param(a_row("skipped"), Standing.FINISHED, id="skipped"),
        pytest.param(a_row("removed"), Standing.FINISHED, id="task removed from its DAG"),
        pytest.param(a_row("deferred"), Standing.SUPERSEDED, id="deferred, its pod told so"),
        pytest.param(a_row("up_for_reschedule"), Standing.SUPERSEDED, id="rescheduled"),
        pytest.param(a_row("scheduled"), Standing.SUPERSEDED, id="taken back from the queue"),
        pytest.param(a_row(None), Standing.SUPERSEDED, id="cleared"),
        pytest.param(a_row("a-state-of-tomorrow"), Standing.SUPERSEDED, id="unknown state"),
        pytest.param(a_row("up_for_retry", id="row-2"), Standing.SUPERSEDED, id="retried"),
        pytest.param(a_row(None, id="row-2"), Standing.SUPERSEDED, id="cleared, a new row"),
        pytest.param(a_row("running", id="row-2"), Standing.UNKNOWN, id="another row's same try"),
        pytest.param(a_row("running", try_number=9), Standing.LIVE, id="its row, an odd number"),
        pytest.param(
            a_row("running", id="row-2", try_number=2), Standing.SUPERSEDED, id="a later try"
        ),
        pytest.param(
            a_row("running", id="row-2", try_number=0), Standing.UNKNOWN, id="an earlier try"
        ),
        pytest.param(None, Standing.GONE, id="no such task instance"),
    ],
)
def test_a_row_tells_how_the_pods_try_stands(row, expected):
    assert evidence.standing_of(a_view(), row) is expected


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_view(task=None), id="annotations name no try"),
        pytest.param(a_view(runs_task=False), id="callback"),
    ],
)
@pytest.mark.parametrize("row", [None, a_row("failed")])
def test_a_pod_without_a_try_is_never_told_about(pod, row):
    assert evidence.standing_of(pod, row) is Standing.UNKNOWN


def test_without_a_rows_id_the_try_number_decides():
    pod = a_view(row_id="", task=a_try(2))
    assert evidence.standing_of(pod, a_row("running", try_number=2)) is Standing.LIVE
    assert evidence.standing_of(pod, a_row("running", try_number=3)) is Standing.SUPERSEDED
    assert evidence.standing_of(pod, a_row("failed", try_number=1)) is Standing.UNKNOWN


@pytest.mark.parametrize(
    ("pod", "row", "expected"),
    [
        pytest.param(a_view(), a_row(), True, id="same id"),
        pytest.param(a_view(), a_row(id="row-2"), False, id="another"),
        pytest.param(a_view(row_id=""), a_row(id=""), False, id="both missing"),
        pytest.param(a_view(), None, False, id="no row"),
    ],
)
def test_only_an_equal_id_vouches_for_an_airflow(pod, row, expected):
    assert evidence.names_its_row(pod, row) is expected


@pytest.mark.parametrize(
    ("pod", "row", "said"),
    [
        (a_view(), a_row("failed"), "try 1 is failed"),
        (a_view(), a_row(None), "try 1 is without a state"),
        (a_view(), a_row("queued", try_number=2), "Airflow is at try 2 (queued)"),
        (a_view(), a_row("queued", id="row-2"), "try 1 is queued, queued anew"),
        (a_view(), None, "Airflow has no such task instance"),
    ],
)
def test_what_airflow_said_is_told_in_words(pod, row, said):
    assert evidence.sentence(pod, row) == said
