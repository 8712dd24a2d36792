"""What has to hold before a release goes on, as tables."""

from datetime import timedelta

import pytest
from estate import NOW, a_pin

from tradewind.promotion import rules
from tradewind.promotion.findings import Level
from tradewind.promotion.freeze import Window
from tradewind.promotion.order import Environment
from tradewind.promotion.rules import Residence

DAY = Environment(name="prod", soak_s=24 * 3600)


def residence(hours, **changes):
    return Residence(environment="staging", merged=NOW - timedelta(hours=hours), **changes)


@pytest.mark.parametrize(
    ("stay", "override", "level", "sentence"),
    [
        (residence(24), "", Level.OK, "1 d in staging, 1 d are asked for"),
        (residence(23), "", Level.REFUSED, "wait 1 h more, or give a reason"),
        (residence(23), "urgent fix", Level.OVERRIDDEN, "overridden: urgent fix"),
        (residence(25), "urgent fix", Level.OK, "1 d 1 h in staging"),
        # A release that was merged long ago and came up just now has not soaked.
        (residence(48, ready=NOW - timedelta(hours=2), is_asked=True), "", Level.REFUSED, "22 h"),
        (residence(48, ready=NOW - timedelta(hours=30), is_asked=True), "", Level.OK, "1 d 6 h"),
        (residence(48, is_asked=True, state="it is stuck"), "", Level.REFUSED, "it is stuck: wait"),
        (residence(48, is_asked=True), "known", Level.OVERRIDDEN, "not ready; overridden: known"),
    ],
)
def test_a_release_soaks_while_it_runs(stay, override, level, sentence):
    found = rules.soak(stay, target=DAY, now=NOW, override=override)
    assert found.level is level
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("weekday", "override", "level"),
    [
        (2, "", Level.REFUSED),
        (2, "agreed with everybody", Level.OVERRIDDEN),
        (3, "", Level.OK),
        (3, "agreed with everybody", Level.OK),
    ],
)
def test_a_freeze_holds_unless_somebody_says_why_not(weekday, override, level):
    window = Window(reason="audit", weekdays=frozenset({weekday}))
    found = rules.freeze(Environment(name="prod", freeze=(window,)), now=NOW, override=override)
    assert found.level is level
    assert ("audit" in found.sentence) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("pin", "present", "level", "sentence"),
    [
        (a_pin("1.0.0"), None, Level.OK, "first of prod"),
        (a_pin("1.1.0"), a_pin("1.0.0"), Level.OK, "1.0.0 → 1.1.0"),
        (a_pin("1.0.0"), a_pin("1.1.0"), Level.REFUSED, "`tradewind promote rollback prod`"),
        (a_pin(app_version="x"), a_pin(), Level.REFUSED, "another build of 1.0.0"),
        (a_pin("1.0.0-rc.1"), a_pin("1.0.0"), Level.REFUSED, "newer than 1.0.0-rc.1"),
    ],
)
def test_a_promotion_goes_forward(pin, present, level, sentence):
    found = rules.newer(pin, present=present, target="prod")
    assert found.level is level
    assert sentence in found.sentence


MIGRATED = a_pin("2.0.0", database_revision="bbb")


@pytest.mark.parametrize(
    ("pin", "between", "level"),
    [
        pytest.param(a_pin("1.0.0"), [a_pin("1.1.0")], Level.OK, id="same-database"),
        pytest.param(a_pin("1.0.0"), [MIGRATED], Level.REFUSED, id="migrated"),
        pytest.param(
            a_pin("1.0.0"),
            [a_pin("2.0.0", database_revision="bbb", reversible="true")],
            Level.OK,
            id="flagged-reversible",
        ),
        pytest.param(
            a_pin("1.0.0"),
            [a_pin("2.1.0", database_revision="bbb", reversible="true"), MIGRATED],
            Level.REFUSED,
            id="two-steps-back-over-one-that-is-not",
        ),
        pytest.param(
            a_pin("1.0.0", database_revision=""), [a_pin("1.1.0")], Level.REFUSED, id="unknown"
        ),
    ],
)
def test_a_rollback_across_a_migration_is_refused(pin, between, level):
    found = rules.back(pin, present=between[0], target="prod", between=between)
    assert found.level is level
    if level is Level.REFUSED:
        assert "restore the backup from before" in found.sentence


PINNED = a_pin(images={"airflow": f"r.example/airflow@sha256:{'1' * 64}"})
TAGGED = "oci://registry.example.com/charts/tradewind:1.0.0"
HAS = {TAGGED: PINNED.chart_digest, PINNED.images["airflow"]: f"sha256:{'1' * 64}"}


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({}, []),
        ({TAGGED: None}, ["the registry has no oci://"]),
        ({TAGGED: "sha256:other"}, ["somebody overwrote a version"]),
        ({PINNED.images["airflow"]: None}, ["the registry has no r.example/airflow@"]),
    ],
)
def test_what_is_pinned_has_to_be_in_the_registry(changes, problems):
    found = rules.digests(PINNED, found=HAS | changes)
    refused = [finding.sentence for finding in found if finding.level is Level.REFUSED]
    assert len(refused) == len(problems)
    assert all(part in whole for part, whole in zip(problems, refused, strict=True))
