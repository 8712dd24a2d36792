"""What Flux and Argo CD say of themselves, read from objects of the shape that they write."""

import pytest
from estate import a_pin

from tradewind.promotion import cluster

PIN = a_pin("1.4.2")
READY = {
    "type": "Ready",
    "status": "True",
    "lastTransitionTime": "2026-03-04T10:00:00Z",
    "message": "Helm upgrade succeeded for release a/tradewind.v2 with chart tradewind@1.4.2",
}


def a_helm_release(*, condition=READY, observed=3, digest=PIN.chart_digest):
    return {
        "metadata": {"generation": 3},
        "status": {
            "observedGeneration": observed,
            "conditions": [{"type": "Released", "status": "True"}, condition],
            "history": [{"chartVersion": "1.4.2+0f3cde", "ociDigest": digest}],
        },
    }


@pytest.mark.parametrize(
    ("document", "runs", "ready"),
    [
        (a_helm_release(), True, True),
        (a_helm_release(condition=READY | {"status": "False"}), True, False),
        (a_helm_release(observed=2), True, False),
        (a_helm_release(digest="sha256:other"), False, True),
        ({"metadata": {"generation": 1}}, False, False),
    ],
)
def test_a_helm_release_tells_what_it_runs_and_since_when(document, runs, ready):
    found = cluster.parse_flux(document)
    assert (found.runs(PIN), found.ready_since is not None) == (runs, ready)


def an_application(health="Healthy", sync="Synced", revision="1.4.2"):
    return {
        "status": {
            "health": {"status": health, "lastTransitionTime": "2026-03-04T10:00:00Z"},
            "sync": {"status": sync, "revisions": [revision, "0123abc"]},
        }
    }


@pytest.mark.parametrize(
    ("document", "runs", "ready"),
    [
        (an_application(), True, True),
        (an_application(health="Progressing"), True, False),
        (an_application(sync="OutOfSync"), True, False),
        (an_application(revision="1.4.1"), False, True),
        ({}, False, False),
    ],
)
def test_an_application_tells_what_it_runs_and_since_when(document, runs, ready):
    found = cluster.parse_argo(document)
    assert (found.runs(PIN), found.ready_since is not None) == (runs, ready)


def test_the_engines_own_words_are_kept():
    assert cluster.parse_flux(a_helm_release()).state.startswith("Helm upgrade succeeded")
    assert cluster.parse_argo(an_application(health="Degraded")).state == "Degraded, Synced"
