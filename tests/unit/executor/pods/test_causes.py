from pathlib import Path

import pytest

from tradewind.pods import causes, diagnosis
from tradewind.pods.causes import ABOUT, MAX_CHARS, Finding, Kind
from tradewind.testing.builders import a_pod, base_ended

DOC = Path(__file__).parents[4] / "docs" / "failure-reasons.md"


def row(kind):
    about = ABOUT[kind]
    blame = "yes" if about.infrastructure else "no"
    return f"| `{kind}` | {about.meaning} | {about.remedy} | {blame} |"


def test_the_documentation_has_exactly_one_row_for_every_kind():
    text = DOC.read_text().partition("waits in one of these classes")[0]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [row(kind) for kind in Kind]


def test_the_documentation_quotes_a_real_sentence():
    spec = {"containers": [{"name": "base", "resources": {"limits": {"memory": "512Mi"}}}]}
    killed = base_ended(137, reason="OOMKilled")
    pod = a_pod(name="etl-load-5f2c9", namespace="airflow", spec=spec, status=killed)
    assert diagnosis.of(pod) in DOC.read_text().splitlines()


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_a_meaning_and_a_remedy_that_fit_a_sentence(kind):
    about = ABOUT[kind]
    assert about.meaning.endswith(".")
    assert 20 < len(about.remedy) < 160
    assert about.remedy[0].islower()
    assert not about.remedy.endswith(".")


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_a_metric_label(kind):
    assert str(kind) == kind.name.lower()


def test_long_facts_are_clipped_and_the_remedy_is_not():
    cause = causes.tell(a_pod(), Finding(Kind.EVICTED, "x " * 5000))
    assert len(cause.sentence) <= MAX_CHARS
    assert cause.sentence.endswith(f"…; {ABOUT[Kind.EVICTED].remedy}")


def test_a_long_name_leaves_room_for_the_facts():
    cause = causes.tell(a_pod(name="n" * 253, namespace="s" * 63), Finding(Kind.DELETED, "gone"))
    assert len(cause.sentence) <= MAX_CHARS
    assert ": gone; " in cause.sentence


def test_a_message_becomes_one_line():
    assert causes.clip("a\n\tb \r\n c.\n", 100) == "a b c"


def test_of_a_traceback_its_end_is_kept():
    traceback = "Traceback:\n" + "  File x\n" * 200 + "ValueError: no such column"
    sentence = diagnosis.of(a_pod(status=base_ended(1, message=traceback)))
    assert "File x ValueError: no such column; " in sentence
    assert len(sentence) <= MAX_CHARS
