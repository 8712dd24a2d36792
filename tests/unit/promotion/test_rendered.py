"""What a reviewer sees of two renderings, and what not."""

import pytest
from estate import a_pin

from tradewind.promotion import drift, messages, rendered
from tradewind.promotion.findings import Level, UnusableError
from tradewind.promotion.rendered import Difference

SECRET = "---\nkind: Secret\nmetadata: {{name: s}}\ndata: {{a: {a}, b: c2FtZQ==}}\n"
MAP = "---\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: {a}}}\n"


def test_objects_are_compared_one_by_one_whatever_their_order():
    before = MAP.format(name="one", a=1) + MAP.format(name="two", a=1)
    after = MAP.format(name="two", a=2) + MAP.format(name="three", a=1)
    found = rendered.difference(before, after=after)
    assert (found.added, found.changed, found.removed) == (1, 1, 1)
    assert "-data: {a: 1}\n+data: {a: 2}" in found.text
    assert found.summary == "1 added, 1 changed, 1 removed objects"
    swapped = MAP.format(name="two", a=1) + MAP.format(name="one", a=1)
    assert rendered.difference(before, after=swapped).text == ""


def test_what_secrets_hold_is_never_shown():
    found = rendered.difference(SECRET.format(a="b2xk"), after=SECRET.format(a="bmV3"))
    assert found.changed == 1
    assert not {"b2xk", "bmV3", "c2FtZQ=="} & set(found.text.replace(":", " ").split())
    assert "+  a: '*** (changed)'" in found.text
    added = rendered.difference("", after=SECRET.format(a="bmV3"))
    assert "bmV3" not in added.text
    assert "c2FtZQ==" not in added.text


@pytest.mark.parametrize("most", [100, 500, 5000])
def test_a_long_text_is_cut_at_a_line_and_says_how_much_is_missing(most):
    text = "".join(f"line {n}\n" for n in range(1000))
    cut = rendered.cut(text, most_chars=most)
    kept = cut.count("line ")
    assert len(cut) <= most
    assert f"… {1000 - kept} more lines" in cut
    assert rendered.cut("short\n", most_chars=100) == "short\n"


def test_a_body_stays_below_the_forges_limit():
    text = "".join(f"+{'x' * 150} {n}\n" for n in range(5000))
    body = messages.body(a_pin(), present=None, findings=[], difference=Difference(text, 1, 0, 0))
    assert 50_000 < len(body) <= messages.MOST_CHARS
    assert body.rstrip().endswith("</details>")
    assert "more lines" in body


def test_a_comment_gives_every_environment_its_share():
    text = "+x\n" * 50_000
    difference = Difference(text, 1, 0, 0)
    comment = messages.comment(dict.fromkeys(["dev", "staging", "prod"], ([], difference)))
    assert len(comment) <= messages.MOST_CHARS + 3
    assert comment.count("</details>") == 3


def test_a_diff_cannot_end_its_fence():
    difference = Difference("+a\n~~~~\n+b\n", 1, 0, 0)
    body = messages.body(a_pin(), present=None, findings=[], difference=difference)
    assert body.count("\n~~~~\n") == 1


def test_trailers_are_read_as_they_are_written():
    trailers = {"Promoted-From": "dev", "Soak-Override": "two\nlines", "Freeze-Override": ""}
    message = messages.commit("Promote 1.0.0", trailers=trailers)
    assert messages.trailers(message) == {
        "Promoted-From": "dev",
        "Soak-Override": "two lines",
    }
    assert messages.trailers("Fix: this\n\nand explain it") == {}


def test_drift_is_told_in_both_directions_and_refuses_nothing():
    source = {"a": {"b": 1, "c": {}}, "d": [1]}
    target = {"a": {"b": 2}, "e": 1}
    found = drift.judge(source, target=target, names=("dev", "prod"))
    assert [finding.sentence for finding in found] == ["only dev sets a.c, d", "only prod sets e"]
    assert {finding.level for finding in found} == {Level.NOTE}
    same = drift.judge(source, target=source, names=("dev", "prod"))
    assert {finding.level for finding in same} == {Level.OK}


def test_values_that_are_no_map_are_refused():
    with pytest.raises(UnusableError, match=r"values.yaml is list, not a map"):
        drift.load("[1]", path="values.yaml")
    assert drift.load("# nothing\n", path="p") == {}
