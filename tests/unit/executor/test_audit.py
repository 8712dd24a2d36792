import gc
import weakref
from collections import deque

import pytest

from tradewind import contract
from tradewind.audit import EVENTS, PREFIX, AuditLog
from tradewind.dispatch.hooks import LaunchRef


class Row:
    def __init__(self, event, extra, ti_key):
        self.event, self.extra, self.ti_key = event, extra, ti_key


class Table:
    """The executor's deque of rows, and an audit log that fills it."""

    def __init__(self):
        self.rows = deque()
        self.audit = AuditLog(self.log_task_event, self.rows)

    def log_task_event(self, *, event, extra, ti_key):
        self.rows.append(Row(event, extra, ti_key))

    def texts(self):
        return [row.extra for row in self.rows]


@pytest.fixture
def table():
    return Table()


def test_notes_become_rows_at_the_next_flush(table):
    table.audit.note("parked", "key", "quota is full")
    assert not table.rows
    table.audit.flush({"key"})
    (row,) = table.rows
    assert (row.event, row.extra, row.ti_key) == ("pod parked", "quota is full", "key")


def test_the_same_sentence_is_written_once(table):
    for _ in range(3):
        table.audit.note("pending", "key", "no node")
        table.audit.flush({"key"})
    assert table.texts() == ["no node"]


def test_another_sentence_or_kind_or_task_is_news(table):
    table.audit.note("pending", "key", "no node")
    table.audit.note("pending", "key", "pulling fails")
    table.audit.note("parked", "key", "no node")
    table.audit.note("pending", "other", "no node")
    table.audit.flush({"key", "other"})
    assert len(table.rows) == 4


def test_one_kind_of_one_launch_fills_at_most_five_rows(table):
    for number in range(20):
        table.audit.note("pending", "key", f"0/{number} nodes")
    table.audit.flush({"key"})
    assert len(table.rows) == 5


@pytest.mark.parametrize("how", ["launched-anew", "ended"])
def test_the_next_launch_of_a_workload_speaks_for_itself(table, how):
    table.audit.note("pending", "key", "no node")
    table.audit.flush({"key"} if how == "launched-anew" else ())
    table.audit.forget("key")
    table.audit.note("pending", "key", "no node")
    table.audit.flush({"key"})
    assert table.texts() == ["no node", "no node"]


def test_rows_live_until_the_scheduler_has_been_through_them(table):
    # Airflow 3.3.2 pops the rows and loses them before the INSERT, unless somebody else has them.
    table.audit.note("failed", "key", "exit code 1")
    table.audit.flush({"key"})
    row = weakref.ref(table.rows[0])
    popped = table.rows.popleft()
    del popped
    gc.collect()
    assert row() is not None
    table.audit.flush({"key"})
    gc.collect()
    assert row() is None


def test_a_row_that_cannot_be_written_costs_no_other(table):
    write = table.log_task_event

    def sometimes(**row):
        if row["extra"] == "bad":
            raise RuntimeError("broken on purpose")
        write(**row)

    table.audit.log_task_event = sometimes
    table.audit.note("failed", "key", "bad")
    table.audit.note("failed", "key", "good")
    table.audit.flush({"key"})
    assert table.texts() == ["good"]


def test_every_event_begins_alike_and_fits_airflows_column(table):
    table.audit.note("k" * 80, "key", "text")
    table.audit.flush({"key"})
    events = [*EVENTS.values(), table.rows[0].event]
    assert all(event.startswith(PREFIX) and len(event) <= 60 for event in events)


def test_a_measurement_is_a_row_of_its_own_name(table):
    told = contract.Measured(pod="x", temperature="cold", run_ms=7).encode()
    table.audit.on_event("measured", LaunchRef(key="key", launch_id="l", row_id="r"), told)
    table.audit.flush(set())
    (row,) = table.rows
    assert (row.event, row.ti_key) == (contract.EVENT_MEASURED, "key")
    assert contract.Measured.decode(row.extra).run_ms == 7
    assert row.event.startswith(PREFIX)
