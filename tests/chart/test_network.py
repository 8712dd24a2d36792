"""Who may talk to whom, as a matrix over the rendered network policies."""

from __future__ import annotations

import pytest
from network import End, allowed, is_peer, matches
from rendered import pods

METADATA = "169.254.169.254"
PUBLIC, PRIVATE = "1.1.1.1", "10.1.2.3"
STRANGER = End(labels=(("app", "stranger"),), namespace="tradewind")
SOMEBODY = '[{"podSelector": {"matchLabels": {"app": "somebody"}}}]'
ABROAD = End(labels=(("app", "stranger"),), namespace="elsewhere")


def ends(documents, *, namespace="tradewind"):
    """Return component -> its pod as an end of a connection."""
    return {
        component: End(labels=tuple(sorted(pod["metadata"]["labels"].items())), namespace=namespace)
        for component, pod in pods(documents)
    }


PORTS = (3100, 5432, 6432, 8080, 8793, 8794, 8974)
DATABASE = {"api-server", "scheduler", "dag-processor", "triggerer"}


def connections(documents):
    """Return every allowed (sender, receiver, port) between pods of the release."""
    found = ends(documents)
    return {
        (sender, receiver, port)
        for sender, one in found.items()
        for receiver, other in found.items()
        if sender != receiver
        for port in PORTS
        if allowed(documents, one, other, port=port)
    }


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        pytest.param(
            "default",
            {(client, "postgresql", 5432) for client in DATABASE | {"migrate"}}
            | {(caller, "api-server", 8080) for caller in ("task", "test", "scheduler")}
            | {("api-server", "triggerer", 8794)},
            id="default",
        ),
        pytest.param(
            "local-executor",
            {(client, "postgresql", 5432) for client in DATABASE - {"triggerer"} | {"migrate"}}
            | {("scheduler", "api-server", 8080), ("test", "api-server", 8080)}
            | {("api-server", "scheduler", 8793)},
            id="tasks-in-the-scheduler",
        ),
        pytest.param(
            "high-availability",
            {(client, "pgbouncer", 6432) for client in DATABASE | {"execution-api"}}
            | {
                (caller, server, 8080)
                for caller in ("task", "test")
                for server in ("api-server", "execution-api")
            }
            | {("scheduler", "api-server", 8080), ("api-server", "triggerer", 8794)},
            id="pool-and-separate-execution-api",
        ),
        pytest.param(
            "bootstrap",
            {
                (client, "postgresql", 5432)
                for client in DATABASE | {"migrate", "bootstrap", "db-cleanup"}
            }
            | {(caller, "api-server", 8080) for caller in ("task", "test", "scheduler")}
            | {("api-server", "triggerer", 8794)},
            id="bootstrap-and-cleanup",
        ),
        pytest.param(
            "own-loki",
            {(client, "postgresql", 5432) for client in DATABASE | {"migrate"}}
            | {(caller, "api-server", 8080) for caller in ("task", "test", "scheduler", "janitor")}
            | {(client, "loki", 3100) for client in DATABASE | {"task", "janitor"}}
            | {("api-server", "triggerer", 8794)},
            id="own-loki-and-janitor",
        ),
    ],
)
def test_pods_of_a_release_reach_what_they_need_and_nothing_else(render, case, expected):
    assert connections(render(case)) == expected


@pytest.mark.parametrize(
    ("component", "address", "port", "expected"),
    [
        # The address and port of a Kubernetes API server.
        pytest.param("scheduler", PRIVATE, 6443, True, id="scheduler-launches"),
        pytest.param("api-server", PRIVATE, 6443, True, id="api-server-shows-logs"),
        pytest.param("dag-processor", PRIVATE, 6443, False, id="dag-code-asks-no-cluster"),
        pytest.param("task", PRIVATE, 6443, False, id="task-asks-no-cluster"),
        pytest.param("triggerer", PRIVATE, 6443, False, id="trigger-asks-no-cluster"),
        # The internet, for those who run users' code.
        pytest.param("task", PUBLIC, 443, True, id="task-on-the-internet"),
        pytest.param("triggerer", PUBLIC, 443, True, id="trigger-on-the-internet"),
        pytest.param("dag-processor", PUBLIC, 443, True, id="repositories-of-dags"),
        pytest.param("scheduler", PUBLIC, 80, False, id="scheduler-on-the-internet"),
        pytest.param("api-server", PUBLIC, 80, False, id="api-server-on-the-internet"),
        pytest.param("migrate", PUBLIC, 443, False, id="migrations-on-the-internet"),
        pytest.param("postgresql", PUBLIC, 443, False, id="database-on-the-internet"),
        # The credentials of a node in a cloud, and neighbours.
        pytest.param("task", METADATA, 80, False, id="task-takes-no-node-credentials"),
        pytest.param("dag-processor", METADATA, 80, False, id="dag-code-neither"),
        pytest.param("triggerer", METADATA, 80, False, id="trigger-neither"),
        pytest.param("task", PRIVATE, 5432, False, id="task-at-a-neighbour"),
    ],
)
def test_addresses_outside_are_reached_by_those_who_need_them(
    render, component, address, port, expected
):
    documents = render("default")
    outside = End(address=address)
    assert allowed(documents, ends(documents)[component], outside, port=port) == expected


@pytest.mark.parametrize("sender", [STRANGER, ABROAD], ids=["same-namespace", "other-namespace"])
def test_strangers_reach_the_web_interface_alone(render, sender):
    documents = render("default")
    reached = {
        (component, port)
        for component, end in ends(documents).items()
        for port in PORTS
        if allowed(documents, sender, end, port=port)
    }
    assert reached == {("api-server", 8080)}


def test_the_web_interface_can_be_closed_to_all_but_an_ingress(render):
    documents = render("high-availability")
    found = ends(documents)
    ingress = End(labels=(("app", "nginx"),), namespace="ingress")
    assert allowed(documents, ingress, found["api-server"], port=8080)
    assert not allowed(documents, STRANGER, found["api-server"], port=8080)
    assert not allowed(documents, ingress, found["execution-api"], port=8080)


def test_tasks_of_other_namespaces_reach_the_api_and_no_database(render):
    documents = render("task-namespaces")
    found = ends(documents)
    for namespace in ("team-a", "team-b"):
        task = ends(documents, namespace=namespace)["task"]
        assert allowed(documents, task, found["api-server"], port=8080)
        assert not allowed(documents, task, found["postgresql"], port=5432)
        # Pods that tasks make are asked for at the Kubernetes API.
        assert allowed(documents, task, End(address=PRIVATE), port=6443)
    impostor = ends(documents, namespace="team-c")["task"]
    assert not allowed(documents, impostor, found["postgresql"], port=5432)


def test_metrics_are_sent_by_those_who_have_some_and_read_by_prometheus_alone(render):
    documents = render("metrics")
    found = ends(documents)
    exporter = found["metrics"]
    senders = {
        component
        for component, end in found.items()
        if end != exporter and allowed(documents, end, exporter, port=9125, protocol="UDP")
    }
    assert senders == {"api-server", "scheduler", "dag-processor", "triggerer", "task"}
    prometheus = End(labels=(("app", "prometheus"),), namespace="monitoring")
    for receiver, port in ((exporter, 9102), (found["janitor"], 8080)):
        assert allowed(documents, prometheus, receiver, port=port)
        assert not allowed(documents, STRANGER, receiver, port=port)
    assert not allowed(documents, exporter, End(address=PUBLIC), port=443)


def test_tasks_of_other_namespaces_send_metrics_too(render_values):
    documents = render_values("--set=metrics.enabled=true", "--set=executor.namespaces={team-a}")
    exporter, task = ends(documents)["metrics"], ends(documents, namespace="team-a")["task"]
    assert allowed(documents, task, exporter, port=9125, protocol="UDP")


@pytest.mark.parametrize("narrowed", [[], [f"--set-json=networkPolicy.apiServerFrom={SOMEBODY}"]])
def test_the_janitor_reaches_airflow_and_kubernetes_and_nothing_else(render_values, narrowed):
    login = "--set=janitor.airflowLogin.existingSecret=login"
    documents = render_values(login, *narrowed)
    found = ends(documents)
    reached = {
        (receiver, port) for sender, receiver, port in connections(documents) if sender == "janitor"
    }
    assert reached == {("api-server", 8080)}
    assert allowed(documents, found["janitor"], End(address=PRIVATE), port=6443)
    assert not allowed(documents, found["janitor"], End(address=PUBLIC), port=80)


def test_names_are_resolved_by_everybody_who_asks(render):
    documents = render("default")
    dns = End(labels=(("k8s-app", "kube-dns"),), namespace="kube-system")
    for component, end in ends(documents).items():
        asks = allowed(documents, end, dns, port=53, protocol="UDP")
        assert asks == (component != "postgresql"), component


def test_the_releases_own_loki_serves_tasks_of_its_namespaces_and_no_stranger(render):
    documents = render("own-loki")
    found = ends(documents)
    assert allowed(documents, ends(documents, namespace="team-a")["task"], found["loki"], port=3100)
    assert not allowed(
        documents, ends(documents, namespace="team-b")["task"], found["loki"], port=3100
    )
    for stranger in (STRANGER, ABROAD):
        assert not allowed(documents, stranger, found["loki"], port=3100)
    for address in (PUBLIC, PRIVATE):
        assert not allowed(documents, found["loki"], End(address=address), port=443)


def test_the_janitor_asks_kubernetes_and_the_web_interface_that_is_closed_to_others(render):
    documents = render("everything-on")
    found = ends(documents)
    assert allowed(documents, found["janitor"], End(address="198.51.100.7"), port=6443)
    assert allowed(documents, found["janitor"], found["api-server"], port=8080)
    assert not allowed(documents, found["janitor"], found["execution-api"], port=8080)
    assert not allowed(documents, found["janitor"], End(address=PUBLIC), port=443)


def test_a_pod_that_no_policy_speaks_of_is_cut_off(render):
    documents = render("default")
    labels = ("app.kubernetes.io/name", "tradewind"), ("app.kubernetes.io/instance", "tradewind")
    new = End(labels=(*labels, ("app.kubernetes.io/component", "new")), namespace="tradewind")
    assert not allowed(documents, new, End(address=PUBLIC), port=443)
    assert not allowed(documents, STRANGER, new, port=8080)


def test_nothing_is_cut_off_where_policies_are_turned_off(render_values):
    documents = render_values("--set=networkPolicy.enabled=false")
    found = ends(documents)
    assert allowed(documents, found["task"], found["postgresql"], port=5432)


@pytest.mark.parametrize(
    ("peer", "end", "expected"),
    [
        pytest.param({"podSelector": {}}, STRANGER, True, id="empty-selector-is-any-pod-here"),
        pytest.param({"podSelector": {}}, ABROAD, False, id="and-none-elsewhere"),
        pytest.param({"namespaceSelector": {}}, ABROAD, True, id="any-namespace"),
        pytest.param({"ipBlock": {"cidr": "0.0.0.0/0"}}, STRANGER, False, id="block-is-no-pod"),
    ],
)
def test_the_evaluator_reads_peers_as_kubernetes_does(peer, end, expected):
    assert is_peer(peer, end, policy_namespace="tradewind") == expected


def test_the_evaluator_reads_expressions():
    selector = {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}
    assert matches(selector, {"a": "1"})
    assert not matches(selector, {})
