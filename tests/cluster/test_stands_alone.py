"""Plain Airflow outside the cluster, our wheel in it, and an identity with the least rights.

What docs/install.md says under "Scheduler outside the cluster", with its own example files.
"""

import configparser
import json
import os
from types import SimpleNamespace

import httpx
import pytest
import yaml
from dag_runs import await_dags, await_ends, until
from outside_access import (
    EXAMPLES,
    RotatedToken,
    cluster_of,
    lasting_token,
    namespace_of_tasks,
    write_kubeconfig,
)
from outside_airflow import OutsideAirflow, install

from tradewind_tools import airflow_api, images, kubectl, paths
from tradewind_tools.cluster import layout
from tradewind_tools.pod_record import PodRecorder

DAG = "own_pods"
DAGS = paths.CHECKOUT / "tests" / "cluster" / "dags"
WAIT_TIMEOUT_S = 120
pytestmark = pytest.mark.timeout(1200)


def settings_of_the_example(**changed):
    """Return docs/examples' airflow.cfg as environment variables, with some values changed."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(EXAMPLES / "airflow.cfg")
    settings = {
        f"AIRFLOW__{section.upper()}__{option.upper()}": value
        for section in config.sections()
        for option, value in config[section].items()
    }
    assert not changed.keys() - settings.keys()
    return settings | {name: str(value) for name, value in changed.items()}


def template_of_the_example(target, *, url):
    """Return docs/examples' pod template with this cluster's image, address and DAGs."""
    pod = yaml.safe_load((EXAMPLES / "pod_template.yaml").read_text())
    (base,) = pod["spec"]["containers"]
    values = yaml.safe_load(images.values_file(target).read_text())["image"]
    base["image"] = f"{values['registry']}/{values['repository']}@{values['digest']}"
    for variable in base["env"]:
        if variable["name"] == "AIRFLOW__CORE__EXECUTION_API_SERVER_URL":
            variable["value"] = f"{url}/execution/"
    # Users bake DAGs into the image; file by file, as Airflow refuses a ConfigMap's links.
    mount = {"name": "dags", "mountPath": f"/opt/airflow/dags/{DAG}.py", "subPath": f"{DAG}.py"}
    base["volumeMounts"] = [mount]
    pod["spec"]["volumes"] = [{"name": "dags", "configMap": {"name": "dags"}}]
    return yaml.safe_dump(pod)


@pytest.fixture(scope="module")
def outside(target, tmp_path_factory):
    """Give an Airflow that runs beside the cluster, and what belongs to it."""
    if not target.is_local:
        pytest.skip("pods of this cluster may not reach this machine: run it on the local one")
    folder = tmp_path_factory.mktemp("outside")
    programs = install(folder)
    with namespace_of_tasks(target) as namespace:
        file = DAGS / f"{DAG}.py"
        kubectl.run(target, "-n", namespace, "create", "configmap", "dags", f"--from-file={file}")
        dags = folder / "dags"
        dags.mkdir()
        (dags / file.name).write_text(file.read_text())
        cluster = cluster_of(target)
        kubeconfig = write_kubeconfig(
            folder / "kubeconfig",
            cluster=cluster,
            user={"token": lasting_token(target, namespace)},
        )
        settings = settings_of_the_example(
            AIRFLOW__CORE__DAGS_FOLDER=dags,
            AIRFLOW__TRADEWIND__CONFIG_FILE=kubeconfig,
            AIRFLOW__TRADEWIND__NAMESPACE=namespace,
            AIRFLOW__TRADEWIND__POD_TEMPLATE_FILE=folder / "pod_template.yaml",
        )
        with OutsideAirflow(
            folder, programs=programs, address=layout.NODE_ADDRESS, settings=settings
        ) as airflow:
            template = template_of_the_example(target, url=airflow.url)
            (folder / "pod_template.yaml").write_text(template)
            migrated = airflow.run("db", "migrate")
            assert migrated.returncode == 0, migrated.stderr[-2000:]
            yield SimpleNamespace(
                airflow=airflow, namespace=namespace, folder=folder, cluster=cluster, target=target
            )


@pytest.fixture(scope="module")
def api(outside):
    """Start the components; give a client of the API."""
    outside.airflow.start_all()
    with httpx.Client(timeout=airflow_api.ANSWER_TIMEOUT_S, trust_env=False) as http:
        client = airflow_api.Airflow(
            lambda: outside.airflow.url, user=outside.airflow.user(), http=http
        )
        await_dags(client, [DAG])
        yield client


def doctor(outside, **more):
    """Return what the doctor finds, as (state, check, found)."""
    done = outside.airflow.run("tradewind", "doctor", "--json", more=more)
    findings = json.loads(done.stdout[done.stdout.index("[") :])
    assert done.returncode == ("fail" in {finding["state"] for finding in findings})
    return [(finding["state"], finding["check"], finding["found"]) for finding in findings]


def run_once(outside, api):
    """Run the DAG; return its task instances, each of which had a pod of its own."""
    with PodRecorder(outside.target, namespace=outside.namespace) as recorder:
        run_id = api.trigger(DAG, conf={})
        state = await_ends(api, {DAG: run_id}, timeout_s=300)[DAG]
        recorder.catch_up()
        left = recorder.wait_gone(run_ids=[run_id], timeout_s=60)
        pods = recorder.by_launch(run_ids=[run_id])
    assert state == "success", outside.airflow.log_of("scheduler").read_text()[-3000:]
    instances = api.task_instances(DAG, run_id)
    assert {item["state"] for item in instances} == {"success"}
    assert len(pods) == len(instances) == 3
    assert {len(of_one) for of_one in pods.values()} == {1}
    assert left == []
    return instances


def test_plain_airflow_has_neither_upstreams_provider_nor_a_word_of_us_in_its_code(outside):
    listed = outside.airflow.run("providers", "list", "--output", "json")
    names = {item["package_name"] for item in json.loads(listed.stdout)}
    assert "airflow-tradewind" in names
    assert not [name for name in names if "kubernetes" in name]


def test_check_and_doctor_find_nothing_to_mend_with_the_least_rights(outside):
    checked = outside.airflow.run("tradewind", "check")
    assert checked.returncode == 0, checked.stderr
    findings = doctor(outside)
    assert {state for state, _, _ in findings} == {"ok"}, findings
    assert any("nothing that is known as risky" in found for _, _, found in findings)


def test_the_doctor_names_a_right_that_is_missing(outside):
    role = ("-n", outside.namespace, "patch", "role", "airflow-scheduler", "--type=json")
    verbs = ["create", "get", "list", "patch", "watch"]

    def allow(names):
        patch = [{"op": "replace", "path": "/rules/0/verbs", "value": names}]
        kubectl.run(outside.target, *role, "-p", json.dumps(patch))

    allow(verbs)
    try:
        findings = doctor(outside)
    finally:
        allow([*verbs, "delete"])
    assert [found for state, _, found in findings if state == "fail"] == [
        f"may not delete pods in namespace {outside.namespace!r}"
    ]


def test_a_context_that_leads_nowhere_is_said(outside):
    findings = doctor(outside, AIRFLOW__TRADEWIND__CLUSTER_CONTEXT="nowhere")
    (failed,) = [found for state, _, found in findings if state == "fail"]
    assert "127.0.0.1:1" in failed


def wait_for(claim, *, outside, what):
    def amiss():
        return f"{what}: {outside.airflow.log_of('scheduler').read_text()[-3000:]}"

    return until(claim, what=amiss, timeout_s=WAIT_TIMEOUT_S)


def test_the_log_of_a_running_task_is_shown(outside, api):
    run_id = api.trigger(DAG, conf={"last_for_s": 15})

    def running():
        return [
            item["map_index"]
            for item in api.task_instances(DAG, run_id)
            if item["task_id"] == "say_where" and item["state"] == "running"
        ]

    # Of the two that start together, the second goes on for a while.
    wait_for(lambda: 1 in running(), outside=outside, what="not running")

    def shown():
        lines = list(api.log(DAG, run_id, "say_where", map_index=1, try_number=1))
        return lines if any("running in own-pods-say-where" in line for line in lines) else None

    lines = wait_for(shown, outside=outside, what="no log")
    assert any(f"Live log of pod {outside.namespace}/own-pods-say-where" in line for line in lines)
    assert await_ends(api, {DAG: run_id}, timeout_s=300) == {DAG: "success"}


def test_every_task_runs_in_a_pod_of_its_own(outside, api):
    run_once(outside, api)


def test_a_token_file_rotates_under_a_running_scheduler_with_several_kubeconfigs(outside, api):
    token = RotatedToken(outside.target, namespace=outside.namespace, file=outside.folder / "token")
    token.rotate()
    # The path is relative to the file that holds the user, as for kubectl.
    user = {"tokenFile": token.file.name}
    files = [
        write_kubeconfig(outside.folder / name, cluster=outside.cluster, user=user, only=lists)
        for name, lists in {"a": ("contexts",), "b": ("clusters", "users")}.items()
    ]
    several = {
        "KUBECONFIG": os.pathsep.join(map(str, [*files, outside.folder / "not-there"])),
        "AIRFLOW__TRADEWIND__CONFIG_FILE": "",
    }
    findings = doctor(outside, **several)
    assert [finding for finding in findings if finding[0] != "ok"] == []
    outside.airflow.stop("scheduler")
    outside.airflow.start("scheduler", more=several)
    run_once(outside, api)
    token.rotate()
    run_once(outside, api)


def test_pods_fetch_their_workload_where_their_image_holds_the_worker(outside, api):
    boards = {
        "AIRFLOW__TRADEWIND__DELIVERY": "boarding",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{outside.airflow.url}/execution/",
    }
    for component in ("api-server", "scheduler"):
        outside.airflow.stop(component)
    outside.airflow.start_api_server(more=boards)
    findings = doctor(outside, **boards)
    assert [finding for finding in findings if finding[0] != "ok"] == []
    outside.airflow.start("scheduler", more=boards)
    instances = run_once(outside, api)
    rows = api.get("eventLogs", dag_id=DAG, run_id=instances[0]["dag_run_id"], limit=100)
    measured = [row["extra"] for row in rows["event_logs"] if row["event"] == "pod measured"]
    assert len(measured) == len(instances)
