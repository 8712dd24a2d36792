import pytest

from tradewind.client.errors import ApiError, ConnectionLostError, CredentialError
from tradewind.doctor import checks
from tradewind.doctor.checks import AirflowFacts
from tradewind.doctor.findings import State

OURS = "tradewind.executor.TradewindExecutor"


@pytest.mark.parametrize(
    ("version", "state"),
    [
        pytest.param("v1.29.9", State.FAIL, id="too-old"),
        pytest.param("v1.30.0", State.OK, id="oldest"),
        pytest.param("v1.32.1-eks-2f46c53", State.OK, id="a-clouds"),
        pytest.param("v1.36.3", State.OK, id="newest"),
        pytest.param("v1.37.0-rc.1", State.WARN, id="newer"),
        pytest.param("v2.0", State.WARN, id="next-major"),
        pytest.param("unknown", State.FAIL, id="no-version"),
    ],
)
def test_the_servers_version(version, state):
    finding = checks.kubernetes_version(version)
    assert finding.state is state
    assert version in finding.found
    assert bool(finding.remedy) is (state is not State.OK)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        pytest.param(ApiError(401), "ServiceAccount, or the user", id="unknown-to-it"),
        pytest.param(ApiError(403), "ServiceAccount, or the user", id="forbidden"),
        pytest.param(ApiError(404), "without a proxy in between", id="another-server"),
        pytest.param(ConnectionLostError("refused"), "config_file", id="no-connection"),
        pytest.param(CredentialError("aws failed"), "file or plugin", id="no-credentials"),
    ],
)
def test_a_server_out_of_reach(error, remedy):
    finding = checks.unreachable(error)
    assert finding.state is State.FAIL
    assert str(error) in finding.found
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("skew_s", "state", "words"),
    [
        pytest.param(None, State.OK, "does not tell", id="no-date"),
        pytest.param(0.4, State.OK, "agrees", id="none"),
        pytest.param(-3.0, State.OK, "agrees", id="rounding"),
        pytest.param(4.0, State.WARN, "4 s ahead of", id="ahead"),
        pytest.param(-4.0, State.WARN, "4 s behind", id="behind"),
        pytest.param(11.0, State.FAIL, "tokens are refused", id="beyond-the-tokens-leeway"),
        pytest.param(-400.0, State.FAIL, "400 s behind", id="far-behind"),
    ],
)
def test_the_clock(skew_s, state, words):
    finding = checks.clock(skew_s)
    assert finding.state is state
    assert words in finding.found


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        pytest.param('violates PodSecurity "restricted:latest"', "securityContext", id="security"),
        pytest.param("exceeded quota: q, requested: pods=1", "raise the quota", id="quota"),
        pytest.param("failed quota: q: must specify cpu", "set the resources", id="no-resources"),
        pytest.param("no PriorityClass with name x was found", "priorityClassName", id="priority"),
        pytest.param('namespaces "x" not found', "create the namespace", id="no-namespace"),
        pytest.param('admission webhook "a" denied', "who runs that webhook", id="webhook"),
        pytest.param("cannot create resource pods", "permissions above", id="role"),
        pytest.param(
            "error looking up service account a/b: not found", "serviceAccountName", id="account"
        ),
        pytest.param("Pod is invalid: spec.x: Required", "correct the field", id="invalid"),
    ],
)
def test_a_refused_task_pod_gets_the_fitting_remedy(message, remedy):
    finding = checks.refused(ApiError(403, reason="Forbidden", message=message), "tasks")
    assert finding.state is State.FAIL
    assert message in finding.found
    assert "'tasks'" in finding.found
    assert remedy in finding.remedy


def test_a_trial_without_an_answer_is_to_be_repeated():
    finding = checks.refused(ConnectionLostError("reset"), "tasks")
    assert "repeat" in finding.remedy


def facts(**fields):
    defaults = {"version": "3.3.2", "executor": OURS, "task_queued_timeout_s": 600.0}
    return AirflowFacts(**defaults | fields)


@pytest.mark.parametrize(
    ("version", "state"),
    [
        pytest.param("3.3.1", State.FAIL, id="too-old"),
        pytest.param("3.3.2", State.OK, id="oldest"),
        pytest.param("3.3.10+astro.1", State.OK, id="patch"),
        pytest.param("3.4.0b1", State.WARN, id="newer"),
    ],
)
def test_airflows_version(version, state):
    assert checks.airflow(facts(version=version))[0].state is state


@pytest.mark.parametrize(
    ("executor", "state"),
    [
        pytest.param(OURS, State.OK, id="alone"),
        pytest.param(f"pods:{OURS}", State.OK, id="alias"),
        pytest.param(f"LocalExecutor, {OURS}", State.OK, id="second"),
        pytest.param(f"LocalExecutor;team1=pods:{OURS},x", State.OK, id="a-teams"),
        pytest.param("LocalExecutor", State.FAIL, id="another"),
        pytest.param(f"{OURS}s", State.FAIL, id="misspelt"),
        pytest.param("", State.FAIL, id="none"),
    ],
)
def test_the_executor_in_force(executor, state):
    finding = checks.airflow(facts(executor=executor))[1]
    assert finding.state is state
    assert (OURS in finding.remedy) is (state is State.FAIL)


@pytest.mark.parametrize(
    ("queued_s", "budget_s", "state"),
    [
        pytest.param(1200.0, 900.0, State.OK, id="we-give-up-first"),
        pytest.param(600.0, 900.0, State.WARN, id="the-scheduler-gives-up-first"),
        pytest.param(900.0, 900.0, State.WARN, id="at-the-same-time"),
    ],
)
def test_who_gives_a_waiting_task_up_first(queued_s, budget_s, state):
    finding = checks.timeouts(task_queued_timeout_s=queued_s, launch_budget_s=budget_s)
    assert finding.state is state
