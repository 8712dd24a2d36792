"""What holds for every pod and object of every installation."""

from __future__ import annotations

import collections
import json

import pytest
from rendered import all_containers, containers, of_kind, own_container, pod_of, pods

COMPONENTS = {"api-server", "scheduler", "dag-processor", "triggerer", "migrate", "postgresql"}
WAITING = {"api-server", "execution-api", "scheduler", "dag-processor", "triggerer"}
CLUSTER_WIDE = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
IDENTITIES = {"runAsUser", "runAsGroup"}


def test_every_component_is_there(render):
    found = {component for component, _ in pods(render("default"))}
    assert found == COMPONENTS | {"task", "test"}


def test_the_default_is_small(render):
    assert len(render("default")) <= 40


def test_every_pod_is_restricted(documents):
    for component, pod in pods(documents):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, component
        # Left out only where the platform chooses.
        assert context.get("runAsUser", 1000) >= 1000, component
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, component
        for banned in ("hostNetwork", "hostPID", "hostIPC"):
            assert banned not in pod["spec"], component
        kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
        assert kinds <= allowed, component


def test_every_container_is_restricted_and_read_only(documents):
    for name, container in containers(documents):
        context = container["securityContext"]
        assert (
            context.items()
            >= {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }.items()
        ), name
        more = set(context) - {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"}
        assert more <= IDENTITIES, name


def test_every_container_can_write_to_tmp_and_only_within_a_limit(documents):
    for component, pod in pods(documents):
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes["tmp"]["emptyDir"]["sizeLimit"], component
    for name, container in containers(documents):
        assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}, name


def test_every_container_has_requests_a_memory_limit_and_no_cpu_limit(documents):
    for name, container in containers(documents):
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}, name
        assert set(resources["limits"]) == {"memory"}, name


def test_no_list_holds_a_name_twice(documents):
    """Server-side apply refuses duplicates."""
    keys = collections.Counter(
        (document["kind"], document["metadata"].get("namespace"), document["metadata"]["name"])
        for document in documents
    )
    assert [key for key, times in keys.items() if times > 1] == []
    for component, pod in pods(documents):
        names = [container["name"] for container in all_containers(pod)]
        lists = [
            ("containers", names),
            ("volumes", [volume["name"] for volume in pod["spec"]["volumes"]]),
        ]
        for container in all_containers(pod):
            lists.append(("env", [entry["name"] for entry in container.get("env", [])]))
            lists.append(("mounts", [mount["mountPath"] for mount in container["volumeMounts"]]))
        for what, found in lists:
            assert len(found) == len(set(found)), (component, what, found)


def test_every_mount_has_its_volume(documents):
    for component, pod in pods(documents):
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
        volumes |= {"data"} if component in {"postgresql", "loki"} else set()
        for container in all_containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, component


def test_every_object_carries_the_release_labels_and_namespace(documents):
    for document in documents:
        labels = document["metadata"]["labels"]
        name = document["metadata"]["name"]
        if "made" in labels:
            continue  # An extra object, which is the user's.
        for label in ("name", "instance", "component", "managed-by", "version"):
            assert labels[f"app.kubernetes.io/{label}"], name
        assert labels["app.kubernetes.io/managed-by"] == "Helm", name
        assert len(name) <= 63, name
        if document["kind"] in CLUSTER_WIDE:
            # Two releases must not take each other's.
            assert name.startswith("tradewind-tradewind-"), name
            assert "namespace" not in document["metadata"], name
        else:
            assert document["metadata"]["namespace"], name
            assert name.startswith("tradewind-"), name


def test_only_what_tasks_need_leaves_the_namespace(render):
    elsewhere = {
        (document["kind"], document["metadata"]["name"])
        for document in render("task-namespaces")
        if document["metadata"]["namespace"] == "team-a"
    }
    assert elsewhere == {
        ("ConfigMap", "tradewind-local-settings"),
        ("NetworkPolicy", "tradewind-default-deny"),
        ("NetworkPolicy", "tradewind-task"),
        ("Role", "tradewind-api-server"),
        ("Role", "tradewind-pod-operator"),
        ("Role", "tradewind-scheduler"),
        ("RoleBinding", "tradewind-api-server"),
        ("RoleBinding", "tradewind-pod-operator"),
        ("RoleBinding", "tradewind-scheduler"),
        ("ServiceAccount", "tradewind-task"),
    }


def test_selectors_pick_only_pods_of_their_component(documents):
    labels = {
        json.dumps(pod["metadata"]["labels"], sort_keys=True): component
        for component, pod in pods(documents)
    }
    for document in documents:
        selector = document.get("spec", {}).get("selector")
        if selector is None or document["kind"] == "NetworkPolicy":
            continue
        wanted = selector.get("matchLabels", selector)
        picked = [text for text in labels if wanted.items() <= json.loads(text).items()]
        assert picked, document["metadata"]["name"]
        assert {labels[text] for text in picked} == {wanted["app.kubernetes.io/component"]}
        if document["kind"] == "Deployment":
            assert len(picked) == 1, document["metadata"]["name"]


def test_every_reference_to_an_own_object_is_met(documents):
    own = {(document["kind"], document["metadata"]["name"]) for document in documents}
    for component, pod in pods(documents):
        if component != "test":
            assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in own, component
    text = "\n".join(json.dumps(pod) for _, pod in pods(documents))
    for kind, name in sorted(own):
        unread = name.endswith(("-pod-template", "-extra", "-dashboards"))
        if kind in {"Secret", "ConfigMap"} and not unread:
            assert f'"{name}"' in text, f"{kind} {name} is used by nobody"


def test_readiness_waits_for_migrations_and_says_the_truth(documents):
    """`helm install --wait` means something only with these."""
    for component, pod in pods(documents):
        if component not in WAITING:
            continue
        wait = pod["spec"]["initContainers"][0]
        assert "wait-migrations" in wait["command"], component
        container = own_container(pod)
        startup = container["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 300, component
        assert container["livenessProbe"]["periodSeconds"] >= 30, component
        if "httpGet" in startup:
            ports = {port["name"] for port in container["ports"]}
            assert startup["httpGet"]["port"] in ports, component
        else:
            assert "heartbeat" in startup["exec"]["command"], component
            assert "--ok-without-database" not in startup["exec"]["command"], component
            assert "--ok-without-database" in container["livenessProbe"]["exec"]["command"]


def test_no_probe_or_wait_starts_airflow(documents):
    """Its command line costs 2 to 3 CPU seconds at each call."""
    for name, container in containers(documents):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            words = container.get(probe, {}).get("exec", {}).get("command", [])
            assert "airflow" not in words, (name, probe)
        if name.endswith("/wait-for-migrations"):
            assert container["command"][:2] == ["python", "-I"], name


def test_an_image_may_be_named_by_digest_everywhere(render):
    """Also those of others: of every image the values hold a digest."""
    own = ("other:", "registry.example.com/")
    for name, container in containers(render("everything-on")):
        if not container["image"].startswith(own):
            # postgresql and pgbouncer have none in this case; see the suites of their folders.
            pinned = "@sha256:" in container["image"]
            assert pinned or name.split("/")[1] in {"postgresql", "pgbouncer"}, name


@pytest.mark.parametrize(
    ("words", "component"),
    [
        pytest.param(["--set=apiServer.replicas=2"], "api-server", id="api-server"),
        pytest.param(["--set=scheduler.replicas=2"], "scheduler", id="scheduler"),
        pytest.param(["--set=dagProcessor.replicas=2"], "dag-processor", id="dag-processor"),
        pytest.param(["--set=triggerer.replicas=2"], "triggerer", id="triggerer"),
        pytest.param(["--set=apiServer.autoscaling.enabled=true"], "api-server", id="autoscaled"),
    ],
)
def test_replicas_spread_and_keep_one_through_a_drain(render_values, words, component):
    documents = render_values(*words)
    (spread,) = pod_of(documents, component)["spec"]["topologySpreadConstraints"]
    labels = pod_of(documents, component)["metadata"]["labels"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    (budget,) = of_kind(documents, "PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert budget["spec"]["maxUnavailable"] == 1


def test_one_replica_has_no_budget_that_blocks_a_drain(render):
    assert of_kind(render("default"), "PodDisruptionBudget") == []


def test_autoscaling_leaves_the_number_of_replicas_alone(render):
    documents = render("high-availability")
    (scaler,) = of_kind(documents, "HorizontalPodAutoscaler")
    name = scaler["spec"]["scaleTargetRef"]["name"]
    (server,) = [d for d in of_kind(documents, "Deployment") if d["metadata"]["name"] == name]
    assert "replicas" not in server["spec"]


def test_no_pod_gets_variables_of_the_services_around_it(documents):
    for component, pod in pods(documents):
        assert pod["spec"]["enableServiceLinks"] is False, component


def test_pull_secrets_reach_every_pod(render):
    for component, pod in pods(render("everything-on")):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}], component
