"""Which scheduler keeps the warm pools, read from Airflow's own table of jobs."""

from datetime import timedelta

import pytest
from airflow._shared.timezones import timezone
from airflow.jobs.job import Job, JobState
from airflow.utils.session import create_session
from sqlalchemy import delete

from tradewind import _compat

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _no_other_schedulers():
    with create_session() as session:
        session.execute(delete(Job))


def a_scheduler(*, state=JobState.RUNNING, silent_s=0):
    with create_session() as session:
        job = Job(job_type="SchedulerJob", state=state)
        job.latest_heartbeat = timezone.utcnow() - timedelta(seconds=silent_s)
        session.add(job)
        session.flush()
        return job.id


def test_the_first_of_the_schedulers_that_live_keeps_the_pools():
    first, second = a_scheduler(), a_scheduler()
    assert _compat.is_first_scheduler(first)
    assert not _compat.is_first_scheduler(str(second))


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param({"state": JobState.FAILED}, id="ended"),
        pytest.param({"silent_s": 3600}, id="without-a-heartbeat"),
    ],
)
def test_a_scheduler_that_is_gone_does_not_count(gone):
    a_scheduler(**gone)
    assert _compat.is_first_scheduler(a_scheduler())


def test_a_scheduler_that_does_not_live_itself_keeps_nothing():
    assert not _compat.is_first_scheduler(a_scheduler(silent_s=3600))


def test_an_executor_without_a_scheduler_keeps_its_pools():
    assert _compat.is_first_scheduler(None)
    assert _compat.is_first_scheduler("")
