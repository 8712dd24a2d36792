"""What a pod's token is worth on a real cluster, and that no token or workload stands anywhere.

A release of its own: one warm pool, one task that is a thief, one pod that asks twice. Another task
goes by args, whose pod does hold a token: what finds it there would find it elsewhere.
"""

import base64
import json
from pathlib import Path

import pytest
from boarding_evidence import TOKEN_FILE, Release, audit_records, forwarded
from dag_runs import run_all
from second_release import ours

from tradewind_tools.errors import WorkFailedError

DAG_FILE = Path(__file__).parent / "dags" / "boarding_probes.py"
BY_ARGS = "boarding_by_args"
DAGS = ["boarding_probes", "boarding_asked_twice", BY_ARGS]
SECRET = "eyJ"
VALUES = {
    "executor": {"warmPools": {"default": 1}},
    # What pods wrote is read after their end.
    "airflow": {
        "config": {
            "kubernetes_executor": {
                "delete_worker_pods": "False",
                "delete_worker_pods_on_failure": "False",
            }
        }
    },
}
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def airflow(target):
    with ours(target, dags=[DAG_FILE], more=VALUES) as connected:
        yield connected


@pytest.fixture(scope="module")
def release(target, airflow):
    with forwarded(target, airflow.namespace) as port:
        yield Release(target, airflow.namespace, url=port.url)


@pytest.fixture(scope="module")
def runs(airflow, release):
    """Run all DAGs once there is a warm pod; return dag id -> (run id, task instances)."""
    release.idle_pod()
    return run_all(airflow, DAGS)


@pytest.fixture(scope="module")
def stolen(airflow, runs):
    """Return what the task that is a thief got: place -> [status, text]."""
    run_id, _ = runs["boarding_probes"]
    path = f"dags/boarding_probes/dagRuns/{run_id}/taskInstances/steal/xcomEntries/return_value"
    return airflow.get(path)["value"]


@pytest.fixture(scope="module")
def left(release, runs, idle):
    """Return what can be read afterwards: pods of tasks, events, logs by pod."""
    return {
        "pods": release.pods("tradewind/template"),
        "args": release.pods(f"dag_id={BY_ARGS}"),
        "events": json.loads(release.kubectl("get", "events", "-o", "json"))["items"],
        "logs": release.logs(),
    }


def test_every_task_succeeds(runs):
    found = {dag: [item["state"] for item in items] for dag, (_, items) in runs.items()}
    assert found == {dag: ["success"] for dag in DAGS}


# -- user code of a running task ------------------------------------------------------------------


def test_a_running_task_that_boards_again_gets_nothing(stolen):
    status, text = stolen["board"]
    assert (status, json.loads(text)) == (409, {"reason": "not_open", "state": "running"})


@pytest.mark.parametrize(
    ("place", "refusals"),
    [
        ("kubernetes pods", {401}),
        ("kubernetes keys", {401}),
        ("airflow api", {401, 403}),
        ("airflow variables", {401, 403}),
        ("airflow connections", {401, 403}),
    ],
)
def test_its_token_opens_nothing_else(target, stolen, place, refusals):
    # Where network policies are enforced, a task does not even reach the Kubernetes API.
    unreachable = {0} if not target.is_local and place.startswith("kubernetes") else set()
    assert stolen[place][0] in refusals | unreachable, stolen[place]


def test_the_projected_token_is_the_only_one_and_no_variable_holds_any(stolen):
    assert "tradewind/token" in stolen["secrets"]
    assert {Path(name).parts[0] for name in stolen["secrets"]} == {"tradewind"}
    assert stolen["variables"] == []


def test_a_pod_that_asks_twice_before_its_task_begins_gets_the_same_launch_and_runs_it(
    release, runs
):
    (pod,) = release.pods("dag_id=boarding_asked_twice")
    text = release.kubectl("logs", pod["metadata"]["name"], "-c", "base")
    assert "asked twice: 200 200, same launch: True, another token: True" in text


def test_a_warm_pod_ran_the_thief(release, runs):
    (pod,) = release.pods("dag_id=boarding_probes")
    assert pod["metadata"]["labels"]["tradewind/pool"] == "default"


# -- a token that was stolen from an idle pod -----------------------------------------------------


@pytest.fixture(scope="module")
def idle(release, runs):
    """Return (name of an idle pod, its token, what the thief got with it, and afterwards)."""
    name = release.idle_pod()
    token = release.stolen_token(name)
    before = release.board(token)
    uid = next(p["metadata"]["uid"] for p in release.pods() if p["metadata"]["name"] == name)
    foreign = bound_to_anothers_pod(release, name, uid)
    release.kubectl("delete", "pod", name, "--wait=true", "--timeout=60s")
    return {
        "claims": claims_in(token),
        "uid": uid,
        "name": name,
        "before": before,
        "foreign": foreign,
        "after": release.board(token),
    }


def bound_to_anothers_pod(release, name, uid):
    """Return what the API server says to a token of another account for that pod."""
    bound = ("--bound-object-kind=Pod", f"--bound-object-name={name}", f"--bound-object-uid={uid}")
    try:
        return release.issued_token("default", *bound)
    except WorkFailedError as error:
        return str(error)


def claims_in(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_a_stolen_idle_token_gets_nothing(idle):
    assert idle["before"] == (204, None)


def test_the_token_of_a_deleted_pod_gets_nothing(idle):
    assert idle["after"] == (410, "gone")


def test_the_kubelets_token_is_for_our_audience_and_one_pod_alone(idle):
    claims, bound = idle["claims"], idle["claims"]["kubernetes.io"]
    assert claims["aud"] == ["tradewind"]
    assert bound["pod"] == {"name": idle["name"], "uid": idle["uid"]}
    assert "node" in bound
    assert claims["exp"] - claims["iat"] <= 3607


def test_no_account_gets_a_token_bound_to_anothers_pod(idle):
    assert "cannot bind token for serviceaccount" in idle["foreign"]


@pytest.mark.parametrize(
    "probe", ["none", "garbage", "default-audience", "other-audience", "not-bound-to-a-pod"]
)
def test_what_is_no_pods_token_is_denied(release, runs, probe):
    account = task_account(release)
    token = {
        "none": lambda: None,
        "garbage": lambda: "eyJhbGciOiJSUzI1NiJ9.e30.x",
        "default-audience": lambda: release.issued_token(account),
        "other-audience": lambda: release.issued_token(account, "--audience=vault"),
        "not-bound-to-a-pod": lambda: release.issued_token(account, "--audience=tradewind"),
    }[probe]()
    assert release.board(token)[0] == 401


def task_account(release):
    (pod,) = release.pods("dag_id=boarding_probes")
    return pod["spec"]["serviceAccountName"]


# -- what stands where ----------------------------------------------------------------------------


def test_pods_have_the_projected_token_and_no_other(left):
    boarded = [pod["spec"] for pod in left["pods"]]
    assert len(boarded) >= 2
    for spec in boarded:
        sources = [
            source["serviceAccountToken"]
            for volume in spec["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
        ]
        assert [source["audience"] for source in sources] == ["tradewind"]
        assert spec["automountServiceAccountToken"] is False
        mounts = [m["mountPath"] for one in spec["containers"] for m in one["volumeMounts"]]
        assert [path for path in mounts if "secrets" in path] == [str(Path(TOKEN_FILE).parent)]


def test_the_account_of_tasks_has_no_rights(release, runs):
    def rights(account):
        name = f"system:serviceaccount:{release.namespace}:{account}"
        return release.kubectl("auth", "can-i", "--list", f"--as={name}")

    # Whatever every account of this cluster may, one that does not exist may as well.
    assert rights(task_account(release)) == rights("nobody-made-it")


def test_the_same_look_finds_the_token_of_a_pod_that_goes_by_args(left):
    assert SECRET in json.dumps(left["args"])


@pytest.mark.parametrize("where", ["pods", "events", "logs"])
def test_no_token_stands_in(left, runs, where):
    (mark,) = (item["id"] for item in runs["boarding_probes"][1])
    found = left[where]
    if where == "logs":
        # Scheduler and API server tell of the launches that they handed on.
        assert any("scheduler" in name for name in found), sorted(found)
        assert any("handed to pod" in text for name, text in found.items() if "api-server" in name)
        assert any("asked twice" in text for text in found.values())
    elif where == "pods":
        assert mark in json.dumps(found)
    else:
        assert {pod["metadata"]["name"] for pod in left["pods"]} & {
            event["involvedObject"]["name"] for event in found
        }
    assert SECRET not in json.dumps(found)


@pytest.fixture(scope="module")
def readable_audit(target):
    if not target.is_local:
        pytest.skip(
            f"the audit log of context {target.context!r} is its operator's: look there for "
            f"{SECRET!r} in records of pods and events"
        )


# First the look whether there is a log: without one nothing has to be installed for it.
def test_no_token_stands_in_an_audit_record(readable_audit, release, left):
    (by_args,) = (pod["metadata"]["name"] for pod in left["args"])
    records = audit_records(release.namespace)
    created = {
        item["objectRef"].get("name") or item["responseObject"]["metadata"]["name"]: text
        for item, text in records
        if (item["verb"], item["objectRef"]["resource"]) == ("create", "pods")
        and "subresource" not in item["objectRef"]
        and item["responseStatus"]["code"] == 201
    }
    names = {pod["metadata"]["name"] for pod in left["pods"]}
    assert names <= created.keys(), "every pod's create was recorded, body and answer"
    assert SECRET in created[by_args]
    claims = [i for i, _ in records if i["verb"] == "patch" and "requestObject" in i]
    assert any("tradewind/launch-id" in json.dumps(i["requestObject"]) for i in claims)
    telling = [text for item, text in records if SECRET in text]
    assert [text[:500] for text in telling if by_args not in text] == []
