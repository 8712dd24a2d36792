import asyncio
from uuid import UUID

import pytest
from airflow.cli import cli_parser

from tradewind import cleanup_command, cli, task_pods
from tradewind.client.errors import ApiError
from tradewind.pods import labels
from tradewind.testing.builders import a_task
from tradewind.testing.fake_cluster import FakeCluster


def parse(*words):
    return cli_parser.get_parser().parse_args(["tradewind", *words])


def test_airflow_knows_the_command():
    parsed = cli_parser.get_parser().parse_args(["tradewind", "check"])
    assert parsed.func is cli.check_settings


@pytest.mark.usefixtures("template")
def test_good_settings_are_shown(capsys):
    cli.check_settings(parse("check"))
    assert "create_concurrency" in capsys.readouterr().out


def test_a_bad_template_is_one_sentence_and_a_failure(template, capsys):
    template.write_text("kind: Deployment")
    with pytest.raises(SystemExit) as caught:
        cli.check_settings(parse("check"))
    assert caught.value.code == 2
    assert "begin it with `kind: Pod`" in capsys.readouterr().err


@pytest.mark.usefixtures("template")
def test_a_bad_option_is_one_sentence_and_a_failure(capsys, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__CREATE_CONCURRENCY", "many")
    with pytest.raises(SystemExit) as caught:
        cli.check_settings(parse("check"))
    assert caught.value.code == 2
    assert "create_concurrency" in capsys.readouterr().err


@pytest.mark.usefixtures("template")
def test_a_slip_in_warm_pools_is_one_sentence_and_a_failure(capsys, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__WARM_POOLS", '{"gpu": {"sise": 3}}')
    with pytest.raises(SystemExit) as caught:
        cli.check_settings(parse("check"))
    assert caught.value.code == 2
    assert "warm_pools, pool 'gpu' has the unknown key 'sise'" in capsys.readouterr().err


def test_why_needs_a_dag_and_a_task_and_takes_the_rest():
    least = parse("why", "etl", "load")
    assert (least.func, least.run_id, least.map_index, least.try_number) == (
        cli.why,
        None,
        -1,
        None,
    )
    most = parse("why", "etl", "load", "manual__1", "--map-index", "3", "--try", "2", "--json")
    assert (most.run_id, most.map_index, most.try_number, most.json) == ("manual__1", 3, 2, True)


def test_cleanup_pods_has_upstreams_arguments_and_defaults():
    theirs = cli_parser.get_parser().parse_args(["kubernetes", "cleanup-pods"])
    ours = parse("cleanup-pods")
    for name in ("min_pending_minutes", "min_completed_minutes"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert parse("cleanup-pods", "--namespace", "n").namespace == "n"


@pytest.mark.usefixtures("template")
def test_a_teams_pods_are_cleaned_up_where_the_team_has_them(cluster, monkeypatch):
    monkeypatch.setenv("AIRFLOW__BLUE___TRADEWIND__NAMESPACE", "blue")
    metadata = {
        "name": "old",
        "labels": {"tradewind/launch-id": "x"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    status = {"phase": "Succeeded"}
    for namespace in ("blue", "default"):
        pod = {"metadata": metadata, "status": status}
        asyncio.run(cluster.create_pod(namespace, pod))
    cleanup_command.cleanup_pods(parse("cleanup-pods", "--team", "blue"))
    assert cluster.raw("default", "old")
    assert cluster.names() == ["old"]


@pytest.fixture
def cluster(monkeypatch):
    cluster = FakeCluster()
    monkeypatch.setattr(task_pods, "connect", lambda _: cluster)
    return cluster


@pytest.mark.usefixtures("template")
def test_cleanup_pods_tells_what_it_deleted(cluster, capsys):
    metadata = {
        "name": "old",
        "labels": {"tradewind/launch-id": "x"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    status = {"phase": "Succeeded"}
    asyncio.run(cluster.create_pod("default", {"metadata": metadata, "status": status}))
    cleanup_command.cleanup_pods(parse("cleanup-pods"))
    assert capsys.readouterr().out == "deleted pod default/old: Succeeded\ndeleted 1 pods\n"


@pytest.mark.usefixtures("template")
def test_a_cluster_that_refuses_is_one_sentence_and_a_failure(cluster, capsys):
    cluster.fail("list", ApiError(403, reason="Forbidden", message="pods"))
    with pytest.raises(SystemExit) as caught:
        cleanup_command.cleanup_pods(parse("cleanup-pods"))
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: 403 Forbidden: pods\n"


def test_upstreams_own_commands_stay_beside_ours():
    # Its provider vends them whether or not its executor is in use, and they select our pods.
    assert cli_parser.get_parser().parse_args(["kubernetes", "cleanup-pods"]).func
    task = labels.for_task(
        a_task(), launch_id=UUID(int=1), ordinal=0, airflow_version="3.3.2", scheduler="7"
    )
    assert {"dag_id", "task_id", "try_number", "airflow_version"} <= task.keys()
