"""Pages of Loki as the lines of a log."""

import json

import pytest

from tradewind.logs import identity, query, reader
from tradewind.logs.client import LokiError

DAY = 24 * 3600 * 10**9


class Loki:
    """Answers `query_range` as Loki does: forward, at most `limit`, the end left out."""

    def __init__(self, *lines, most=5000):
        self.lines = lines
        self.most = most
        self.asked = []
        self.closed = False

    def query(self, asked):
        self.asked.append(asked)
        limit = int(asked["limit"])
        if limit > self.most:
            text = f"max entries limit per query exceeded, limit > ({limit} > {self.most})"
            raise LokiError(text, status=400)
        start, end = int(asked["start"]), int(asked["end"])
        assert end - start <= 30 * DAY
        found = [line for line in self.lines if start <= line[0] < end][:limit]
        streams = {}
        for at_ns, text, *about in found:
            labels = json.dumps({"dag_id": "etl"} | (about[0] if about else {}))
            streams.setdefault(labels, []).append([str(at_ns), text])
        result = [
            {"stream": json.loads(labels), "values": values} for labels, values in streams.items()
        ]
        return json.dumps({"status": "success", "data": {"result": result}}).encode()

    def close(self):
        self.closed = True


def read(loki, *, start_ns=0, end_ns=10**9, **options):
    lines = reader.read(loki, "{}", start_ns=start_ns, end_ns=end_ns, **options)
    found = None if lines is None else list(lines)
    assert loki.closed
    return found


@pytest.mark.parametrize("page", [1, 2, 7, 5000])
@pytest.mark.parametrize("same", [1, 3])
def test_every_line_once_however_the_pages_fall(page, same):
    # Writers give no two lines one nanosecond; where there are, a page holds them all.
    page = max(page, same)
    lines = [(n // same + 1, f"line {n}") for n in range(23)]
    assert read(Loki(*lines), page=page) == [text for _, text in lines]


def test_more_lines_than_one_answer_holds_are_read():
    loki = Loki(*((n, str(n)) for n in range(12_345)))
    assert read(loki) == [str(n) for n in range(12_345)]
    assert len(loki.asked) == 3


def test_a_line_that_was_sent_twice_is_shown_once():
    assert read(Loki((1, "a"), (1, "a"), (1, "b"), (2, "a"))) == ["a", "b", "a"]


def test_a_loki_that_allows_fewer_lines_is_asked_for_fewer():
    loki = Loki(*((n, str(n)) for n in range(3000)), most=1000)
    assert len(read(loki)) == 3000
    assert {asked["limit"] for asked in loki.asked} == {"5000", "2500", "1250", "625"}


def test_long_ranges_are_asked_in_pieces():
    loki = Loki((1, "old"), (30 * DAY, "edge"), (65 * DAY, "new"))
    assert read(loki, end_ns=70 * DAY) == ["old", "edge", "new"]
    assert len(loki.asked) == 3


def test_nothing_is_not_a_log():
    assert read(Loki()) is None


PARTS = [(2, "ab", {"part": "1"}), (3, "cd", {"part": "2"}), (4, "e", {"part": "3", "parts": "3"})]


@pytest.mark.parametrize("page", [2, 5000])
def test_a_line_that_was_sent_in_parts_is_one_line(page):
    lines = [(1, "before"), *PARTS, (5, "after")]
    assert read(Loki(*lines), page=page) == ["before", "abcde", "after"]


@pytest.mark.parametrize(
    ("missing", "shown"),
    [(0, ["cd", "e", "x"]), (1, ["ab", "e", "x"]), (2, ["abcd", "x"])],
)
def test_a_part_that_is_missing_hides_no_other(missing, shown):
    parts = [part for n, part in enumerate(PARTS) if n != missing]
    assert read(Loki(*parts, (9, "x"))) == shown


def test_an_error_on_the_first_page_is_raised_and_a_later_one_is_the_last_line():
    class Failing(Loki):
        def query(self, asked):
            if len(self.asked) == self.fails_at:
                raise LokiError("Loki at x does not answer: refused")
            return super().query(asked)

    loki = Failing(*((n, str(n)) for n in range(9)))
    loki.fails_at = 0
    with pytest.raises(LokiError, match="refused"):
        read(loki, page=4)
    assert loki.closed
    loki.fails_at = 1
    *lines, last = read(loki, page=4)
    assert lines == ["0", "1", "2", "3"]
    assert "cannot be read further: Loki at x does not answer" in json.loads(last)["event"]


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b'{"data": {"resultType": "x"}}', b""])
def test_what_is_not_loki_is_a_sentence(answer):
    loki = Loki()
    loki.query = lambda _: answer
    with pytest.raises(LokiError, match=r"this is not Loki: .*: check loki_url"):
        read(loki)


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b'{"data": {"resultType": "x"}}', b""])
def test_a_count_that_is_not_lokis_is_a_sentence(answer):
    loki = Loki()
    loki.query = lambda _, **__: answer
    known = identity.of("dag_id=etl/run_id=r/task_id=t/attempt=1.log")
    with pytest.raises(LokiError, match=r"this is not Loki: .*: check loki_url"):
        reader.TryReader(loki, "test").count(known, last_ns=1, within_ms=1)


def test_lines_of_several_streams_are_merged_by_time():
    def stream(*values):
        return {"stream": {}, "values": [list(value) for value in values]}

    result = [stream(("1", "a"), ("10", "d")), stream(("2", "b"), ("9", "c"))]
    answer = json.dumps({"data": {"result": result}}).encode()
    assert [line.text for line in query.lines_of(answer)] == ["a", "b", "c", "d"]
