import pytest

from tradewind.errors import ConfigError
from tradewind.janitor import settings
from tradewind.janitor.policy import Removal, Rules

ENOUGH = {
    "INSTALLATION": "ours",
    "NAMESPACES": "tasks",
    "AIRFLOW_URL": "http://airflow:8080",
    "AIRFLOW_USERNAME": "janitor",
    "AIRFLOW_PASSWORD_FILE": "/run/password",
}


def load(**changed):
    words = {name: value for name, value in (ENOUGH | changed).items() if value is not None}
    environ = {settings.PREFIX + name: value for name, value in words.items()}
    return settings.load({"HOME": "/root", **environ})


def test_defaults_delete_nothing():
    found = load()
    assert found.dry_run
    assert (found.sweep_interval_s, found.most_deletions, found.port) == (60.0, 50, 8080)
    assert found.selector == "tradewind/installation=ours"


def test_defaults_of_the_rules_are_the_policys():
    assert load().rules == Rules(installation="ours")


def test_text_becomes_values():
    found = load(
        NAMESPACES=" a, b,,",
        DRY_RUN="false",
        MOST_DELETIONS="7",
        KEEPS_FAILED="true",
        AGE_FLOOR_S="60",
    )
    assert found.watched == ("a", "b")
    assert (found.dry_run, found.most_deletions) == (False, 7)
    assert found.rules.keeps_failed
    assert found.rules.age_floor_s == 60.0


def test_what_is_given_wins():
    environ = {settings.PREFIX + name: value for name, value in ENOUGH.items()}
    found = settings.load(environ, namespaces="other", context=None)
    assert (found.watched, found.context) == (("other",), "")


def test_a_removed_installation_needs_no_airflow():
    found = load(
        REMOVED="installation",
        AIRFLOW_URL=None,
        AIRFLOW_USERNAME=None,
        AIRFLOW_PASSWORD_FILE=None,
    )
    assert found.rules.removed is Removal.INSTALLATION


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        pytest.param({"INSTALLATION": None}, "INSTALLATION is ''", id="no installation"),
        pytest.param({"INSTALLATION": "a,b"}, "INSTALLATION is 'a,b'", id="no label"),
        pytest.param({"SWEEP_INTERVALL_S": "1"}, "sweep_intervall_s", id="misspelt"),
        pytest.param({"SWEEP_INTERVAL_S": "soon"}, "sweep_interval_s", id="no number"),
        pytest.param({"SWEEP_INTERVAL_S": "0"}, "the least value is 1", id="no pause"),
        pytest.param({"RUNNING_GRACE_S": "-1"}, "RUNNING_GRACE_S is -1", id="negative"),
        pytest.param({"RUNNING_GRACE_S": "nan"}, "RUNNING_GRACE_S is nan", id="no time"),
        pytest.param({"DRY_RUN": "maybe"}, "dry_run", id="no boolean"),
        pytest.param({"REMOVED": "everything"}, "removed", id="no such removal"),
        pytest.param({"NAMESPACES": None}, "NAMESPACES is ''", id="no namespace"),
        pytest.param({"AIRFLOW_URL": None}, "AIRFLOW_URL is ''", id="no address"),
        pytest.param({"AIRFLOW_URL": "airflow:8080"}, "write http", id="no scheme"),
        pytest.param({"AIRFLOW_URL": "http://u:geheim@a"}, "leave out name", id="password in it"),
        pytest.param({"AIRFLOW_PASSWORD_FILE": None}, "cannot sign in", id="no password"),
        pytest.param({"AIRFLOW_TOKEN_FILE": "/t"}, "cannot sign in", id="two ways"),
    ],
)
def test_a_bad_setting_is_one_sentence(changed, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        load(**changed)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)
