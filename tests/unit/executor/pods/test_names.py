import re
from uuid import UUID

import pytest

from tradewind.pods import names

LAUNCH = UUID("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")


def test_the_same_launch_always_has_the_same_name():
    first = names.pod_name("dag", "task", launch_id=LAUNCH, ordinal=0)
    assert first == names.pod_name("dag", "task", launch_id=LAUNCH, ordinal=0)


def test_another_launch_or_ordinal_has_another_name():
    made = {
        names.pod_name("dag", "task", launch_id=LAUNCH, ordinal=0),
        names.pod_name("dag", "task", launch_id=LAUNCH, ordinal=1),
        names.pod_name("dag", "task", launch_id=UUID(int=1), ordinal=0),
    }
    assert len(made) == 3


@pytest.mark.parametrize(
    ("dag", "task"),
    [
        pytest.param("d" * 250, "t" * 250, id="long"),
        pytest.param("日本語", "タスク", id="no-ascii-letter"),
        pytest.param("--a__b..", "group.task", id="edges-and-dots"),
        pytest.param("Ünïcode DAG", "Task 1", id="accents-and-spaces"),
        pytest.param("", "", id="empty"),
    ],
)
@pytest.mark.parametrize("ordinal", [0, 7])
def test_names_are_dns_labels(dag, task, ordinal):
    name = names.pod_name(dag, task, launch_id=LAUNCH, ordinal=ordinal)
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name)
