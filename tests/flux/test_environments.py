"""From merge to cluster on real parts: git over HTTP, a registry, Flux, Airflow on pods."""

import time

import pytest
from dag_runs import await_dags, await_ends, until
from estate import with_origin
from world import SOAK_S

from tradewind.promotion.pins import dump
from tradewind_tools import kubectl
from tradewind_tools.errors import WorkFailedError

DAG = "steady"
TASKS = 2
PROMOTE = ("--from", "dev", "--to", "staging")
RELEASE = "environments/{}/release.yaml"
GIT_SEEN_WITHIN_S = 90
PUT_BACK_WITHIN_S = 120
NOW, SUSPEND, RESUME = 1, 2, 3
"""Blocks of docs/gitops.md."""
GONE_WITHIN_S = 240
REFUSED = 3
"""Exit code where a rule forbids."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def first(world):
    return world.releases.push("1.0.0")


@pytest.fixture(scope="module")
def second(world):
    return world.releases.push("1.1.0", is_rebuilt=True)


@pytest.fixture(scope="module")
def broken(world):
    return world.releases.push("1.2.0", image="janitor")


def asking(target):
    """Return the options by which `promote` asks the source's cluster too."""
    return ("--context", target.context)


def release_dev(world, pin):
    since = time.monotonic()
    said = world.push({RELEASE.format("dev"): dump(pin)}, message=f"Release {pin.chart_version}")
    assert said == ""
    return since


def pods_of_tasks(world, name):
    found = kubectl.items(world.target, "pods", "-n", f"airflow-{name}", "-l", f"dag_id={DAG}")
    return {
        pod["metadata"]["uid"]
        for pod in found
        if pod["metadata"]["labels"].get("task_id") == "work"
    }


def tasks_of(airflow, run_id):
    return {
        item["map_index"]: (item["state"], item["try_number"], item["start_date"])
        for item in airflow.task_instances(DAG, run_id)
        if item["task_id"] == "work"
    }


def answers(world, name):
    """Tell whether Airflow lets us in and knows its DAG."""
    try:
        with world.airflow(name) as airflow:
            return DAG in airflow.dag_ids()
    except WorkFailedError:
        return False


def schedulers(world, name):
    selector = "app.kubernetes.io/component=scheduler"
    found = kubectl.items(world.target, "pods", "-n", f"airflow-{name}", "-l", selector)
    return {pod["metadata"]["uid"] for pod in found}


def test_a_merged_release_reaches_dev(world, first):
    since = release_dev(world, first)
    world.timeline.add("dev", "release 1.0.0 merged")
    world.await_release("dev", first, since=since, what="installed")


def test_what_is_against_the_rules_comes_to_no_branch_of_the_server(world, target, first):
    main = world.estate.branches()
    code, said, took_s = world.promote(*PROMOTE, "--dry-run", *asking(target))
    assert code == REFUSED, said
    assert "1 min 30 s are asked for" in said
    world.timeline.add("staging", "refused: too early", f"{took_s:.1f} s")
    code, said, _ = world.promote("--from", "dev", "--to", "prod", "--print")
    assert code == REFUSED
    assert "staging" in said
    world.timeline.add("prod", "refused: jumps over staging")
    wrong = with_origin(first, "dev")
    text = dump(wrong).replace(first.chart_digest, f"sha256:{'0' * 64}")
    said = world.push({RELEASE.format("staging"): text})
    assert "but dev runs 1.0.0: promote what runs there" in said
    world.timeline.add("staging", "push refused: another digest")
    extra = {RELEASE.format("staging"): dump(wrong), "environments/staging/values.yaml": "{}\n"}
    said = world.push(extra)
    assert "changes environments/staging/values.yaml beside" in said
    world.timeline.add("staging", "push refused: another file beside the release")
    assert world.estate.branches() == main


@pytest.fixture(scope="module")
def kept_run(world):
    """Return a run of dev that has ended; everything after has to leave it there."""
    with world.airflow("dev") as airflow:
        await_dags(airflow, [DAG])
        airflow.post("variables", {"key": "may_end", "value": "yes"})
        run_id = airflow.trigger(DAG, conf={"tasks": TASKS})
        assert await_ends(airflow, {DAG: run_id}) == {DAG: "success"}
    world.timeline.add("dev", "a DAG ran to its end")
    return run_id


@pytest.mark.usefixtures("kept_run")
def test_after_the_soak_a_merged_promotion_reaches_staging(world, target, first):
    def may_go():
        code, said, took_s = world.promote(*PROMOTE, "--dry-run", *asking(target))
        assert code in {0, REFUSED}, said
        return took_s if code == 0 else 0

    took_s = until(may_go, what="does not soak", timeout_s=3 * SOAK_S, every_s=5)
    world.timeline.add("staging", "soaked: promote --dry-run agrees", f"{took_s:.1f} s")
    code, said, took_s = world.promote(*PROMOTE, "--print", *asking(target))
    assert code == 0, said
    world.timeline.add("staging", "branch promote/staging/1.0.0 pushed", f"{took_s:.1f} s")
    since = time.monotonic()
    commit = world.merge("promote/staging/1.0.0")
    changed = world.estate.git("diff", "--name-only", f"{commit}^1", commit)
    assert changed == RELEASE.format("staging")
    assert world.pinned("staging") == with_origin(first, "dev")
    world.await_release("staging", first, since=since, what="promoted")


def test_a_change_by_hand_is_put_back(world):
    namespace = "airflow-dev"
    words = ("-n", namespace, "scale", "deployment/tradewind-dag-processor", "--replicas=0")
    world.kubectl(*words)
    world.kubectl("-n", namespace, "delete", "service", "tradewind-api-server")
    since = time.monotonic()
    world.timeline.add("dev", "by hand: DAG processor scaled to 0, Service deleted")
    world.documented("Begin with Flux", NOW, name="dev")

    def is_back():
        deployments = kubectl.items(world.target, "deployments", "-n", namespace)
        replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in deployments}
        services = kubectl.items(world.target, "services", "-n", namespace)
        names = {item["metadata"]["name"] for item in services}
        return replicas["tradewind-dag-processor"] == 1 and "tradewind-api-server" in names

    until(is_back, what=lambda: world.why("dev"), timeout_s=PUT_BACK_WITHIN_S, every_s=0.5)
    world.timeline.add("dev", "put back", f"{time.monotonic() - since:.1f} s")


def test_a_suspended_environment_stays_until_it_is_resumed(world, first, second):
    world.documented("Begin with Flux", SUSPEND, name="dev")
    release_dev(world, second)
    commit = world.estate.branches()["main"]
    world.timeline.add("dev", "suspended, and release 1.1.0 merged")

    def is_seen():
        words = ("get", "gitrepository", "environments", "-n", "flux-system", "-o", "json")
        return commit in world.kubectl(*words)

    until(is_seen, what=lambda: world.why("dev"), timeout_s=GIT_SEEN_WITHIN_S)
    # Flux knows of the commit; an environment that is not suspended follows within two seconds.
    time.sleep(5)
    assert world.asked("dev")[0].runs(first)
    world.timeline.add("dev", "Flux has seen the commit, and dev stays at 1.0.0")
    since = time.monotonic()
    world.documented("Begin with Flux", RESUME, name="dev")
    world.await_release("dev", second, since=since, what="resumed")


def test_running_tasks_go_on_while_staging_gets_the_next_release(world, target, second):
    with world.airflow("staging") as airflow:
        await_dags(airflow, [DAG])
        run_id = airflow.trigger(DAG, conf={"tasks": TASKS})

        def states():
            return sorted(state or "" for state, _, _ in tasks_of(airflow, run_id).values())

        until(lambda: states() == ["running"] * TASKS, what=states, timeout_s=240)
        tasks, pods = tasks_of(airflow, run_id), pods_of_tasks(world, "staging")
        assert len(pods) == TASKS
        world.timeline.add("staging", f"{TASKS} tasks run")
        before = schedulers(world, "staging")
        reason = ("--override-soak", "the fix is wanted today")
        code, said, _ = world.promote(*PROMOTE, "--print", *asking(target), *reason)
        assert code == 0, said
        since = time.monotonic()
        world.merge("promote/staging/1.1.0")
        world.await_release("staging", second, since=since, what="promoted under running tasks")
        until(lambda: not before & schedulers(world, "staging"), what="schedulers", timeout_s=180)
        assert tasks_of(airflow, run_id) == tasks
        assert pods_of_tasks(world, "staging") == pods
        airflow.post("variables", {"key": "may_end", "value": "yes"})
        assert await_ends(airflow, {DAG: run_id}) == {DAG: "success"}
        ended = tasks_of(airflow, run_id)
        assert ended == {index: ("success", *rest) for index, (_, *rest) in tasks.items()}
    world.timeline.add("staging", "the same tasks, in the same pods, ended with success")


def test_a_broken_release_is_rolled_back_by_a_pull_request(world, target, second, broken):
    since = release_dev(world, broken)
    world.timeline.add("dev", "release 1.2.0 merged: its image is not Airflow's")

    def is_tried():
        status = world.asked("dev")[1]
        return str(status.get("lastAttemptedRevision", "")).startswith("1.2.0")

    until(is_tried, what=lambda: world.why("dev"), timeout_s=GIT_SEEN_WITHIN_S)
    code, said, _ = world.promote(*PROMOTE, "--dry-run", *asking(target))
    assert code == REFUSED
    assert "the cluster of dev does not run it" in said
    world.timeline.add(
        "staging", "refused: dev does not run it", f"{time.monotonic() - since:.1f} s"
    )
    until(lambda: answers(world, "dev"), what="no answer", timeout_s=120, every_s=2)
    world.timeline.add("dev", "Airflow answers: its pods are those of 1.1.0")
    code, said, _ = world.promote("rollback", "dev", "--print")
    assert code == 0, said
    since = time.monotonic()
    world.merge("rollback/dev/1.1.0")
    world.await_release("dev", second, since=since, what="rolled back")


def ready(world):
    """Return Deployment -> whether its pods are ready."""
    found = kubectl.items(world.target, "deployments", "-n", "airflow-dev")
    return {one["metadata"]["name"]: bool(one["status"].get("readyReplicas")) for one in found}


def test_an_environment_comes_back_from_git_registry_and_a_backup(
    world, second, kept_run, tmp_path
):
    world.documented("Disaster recovery", 0, name="dev", folder=tmp_path)
    kept = world.secrets("dev")
    size = (tmp_path / "dev.sql").stat().st_size
    world.timeline.add("dev", "database backed up", f"{size / 1e6:.1f} MB")
    # A suspended one leaves behind what it applied.
    world.documented("Begin with Flux", SUSPEND, name="dev")
    world.kubectl("delete", "kustomization", "airflow-dev", "-n", "flux-system")
    world.kubectl("delete", "namespace", "airflow-dev", "--wait=false")

    def left():
        found = kubectl.items(world.target, "namespaces")
        return [one for one in found if one["metadata"]["name"] == "airflow-dev"]

    until(lambda: not left(), what=left, timeout_s=GONE_WITHIN_S)
    world.timeline.add("dev", "lost, with all of its data")
    since = time.monotonic()
    world.begin_again("dev", kept)
    world.await_release("dev", second, since=since, what="made again from git and registry")
    world.documented("Disaster recovery", 1, name="dev", folder=tmp_path)
    until(lambda: all(ready(world).values()), what=lambda: world.why("dev"), timeout_s=300)
    until(lambda: answers(world, "dev"), what="no answer", timeout_s=120, every_s=2)
    with world.airflow("dev") as airflow:
        assert airflow.run_state(DAG, kept_run) == "success"
        # Encrypted by the key that was kept.
        assert airflow.get("variables/may_end")["value"] == "yes"
    world.timeline.add("dev", "restored: its runs are there", f"{time.monotonic() - since:.1f} s")
