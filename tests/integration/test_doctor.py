"""The doctor before a real API server: its RBAC, quotas, LimitRanges, PodSecurity and dry run."""

from pathlib import Path

import pytest
import yaml

from tradewind.client import connect, endpoint
from tradewind.dispatch.renderer import Renderer
from tradewind.doctor.checks import EXECUTOR, AirflowFacts
from tradewind.doctor.findings import State, worst
from tradewind.doctor.survey import examine
from tradewind.testing.builders import settings

AIRFLOW = AirflowFacts(version="3.3.2", executor=EXECUTOR, task_queued_timeout_s=1200.0)
DOCUMENTED = Path(__file__).parents[2] / "docs" / "doctor.md"
RESTRICTED = "pod-security.kubernetes.io/enforce"


@pytest.fixture
def pod():
    """The pod template; a test changes it before its visit."""
    return {"kind": "Pod", "spec": {"containers": [{"name": "base", "image": "worker"}]}}


@pytest.fixture
def visit(api_server, namespace, pod, tmp_path):
    """Return a coroutine that lets the doctor look at the test's namespace with a token."""

    async def visit(token=api_server.token):
        (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
        (tmp_path / "kubeconfig").write_text(kubeconfig(api_server, token))
        values = {
            "namespace": namespace,
            "pod_template_file": str(tmp_path / "pod.yaml"),
            "in_cluster": "False",
            "config_file": str(tmp_path / "kubeconfig"),
            "delivery": "args",
        }
        return await examine(
            load=lambda: settings(**values),
            renderer=lambda loaded: Renderer(
                loaded,
                airflow_version="3.3.2",
                scheduler="doctor",
            ),
            connect=connect.inspect,
            ask=lambda loaded: endpoint.ask(loaded.boarding_url),
            airflow=AIRFLOW,
        )

    return visit


def kubeconfig(api_server, token):
    return yaml.safe_dump(
        {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "users": [{"name": "test", "user": {"token": token}}],
            "clusters": [
                {
                    "name": "test",
                    "cluster": {
                        "server": api_server.server,
                        "certificate-authority": str(api_server.folder / "certs/apiserver.crt"),
                    },
                }
            ],
        }
    )


@pytest.fixture
def create(real_cluster, namespace):
    """Return a coroutine that creates an object in the test's namespace as an administrator."""

    async def create(group, plural, name, **fields):
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        body = {"metadata": {"name": name}, **fields}
        path = f"{root}/namespaces/{namespace}/{plural}"
        await real_cluster.transport.call("POST", path, body=body)

    return create


@pytest.fixture
def account(real_cluster, namespace, create):
    """Return a coroutine that makes a ServiceAccount with these rules and returns its token."""

    async def account(rules):
        rbac = "rbac.authorization.k8s.io"
        await create("v1", "serviceaccounts", "scheduler")
        await create(f"{rbac}/v1", "roles", "scheduler", rules=rules)
        await create(
            f"{rbac}/v1",
            "rolebindings",
            "scheduler",
            roleRef={"apiGroup": rbac, "kind": "Role", "name": "scheduler"},
            subjects=[{"kind": "ServiceAccount", "name": "scheduler", "namespace": namespace}],
        )
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/scheduler/token"
        answer = await real_cluster.transport.call("POST", path, body={"spec": {}})
        return yaml.safe_load(answer)["status"]["token"]

    return account


def states(findings):
    return {finding.check: finding.state for finding in findings}


def found(findings, check):
    (only,) = [finding for finding in findings if finding.check == check]
    return only


async def test_an_administrator_can_run_tasks_but_may_too_much(visit, real_cluster, namespace):
    findings = await visit()
    assert states(findings) == {
        "Airflow": State.OK,
        "settings": State.OK,
        "timeouts": State.OK,
        "boarding": State.OK,
        "pod template": State.OK,
        "API server": State.OK,
        "clock": State.OK,
        "permissions": State.WARN,
        "quota": State.OK,
        "task pod": State.OK,
    }
    assert "create pods/exec, list secrets" in found(findings, "permissions").found
    page = await real_cluster.list_pods(namespace, selector="", limit=10)
    assert page.items == ()


async def test_the_role_of_the_documentation_is_enough(visit, account):
    role = yaml.safe_load(DOCUMENTED.read_text().partition("```yaml\n")[2].partition("```")[0])
    findings = await visit(await account(role["rules"]))
    assert worst(findings) is State.OK
    assert "not looked at" in found(findings, "quota").found


async def test_a_service_account_without_create_and_watch_is_told_both(visit, account):
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["delete", "get", "list"]}]
    findings = await visit(await account(rules))
    failed, lost = [finding for finding in findings if finding.check == "permissions"]
    assert failed.state is State.FAIL
    assert failed.remedy.endswith("pods [create, watch]")
    assert lost.state is State.WARN
    assert lost.remedy.endswith("pods [patch]; pods/log [get]; events [list]")
    assert found(findings, "task pod").remedy == "see the permissions above"


async def test_an_unknown_token_is_told_from_an_unreachable_server(visit):
    finding = (await visit("nobody"))[-1]
    assert finding.check == "API server"
    assert "401 Unauthorized" in finding.found
    assert "kubeconfig" in finding.remedy


async def test_pod_security_is_named_with_what_it_asks_for(visit, real_cluster, namespace):
    body = {"metadata": {"labels": {RESTRICTED: "restricted"}}}
    await real_cluster.transport.call(
        "PATCH",
        f"/api/v1/namespaces/{namespace}",
        body=body,
        content_type="application/strategic-merge-patch+json",
    )
    finding = found(await visit(), "task pod")
    assert finding.state is State.FAIL
    assert "violates PodSecurity" in finding.found
    assert "securityContext" in finding.remedy


async def test_a_misspelt_field_is_found_though_the_server_would_ignore_it(visit, pod):
    pod["spec"]["nodeSelectr"] = {"pool": "tasks"}
    finding = found(await visit(), "pod template")
    assert finding.state is State.FAIL
    assert "nodeSelectr" in finding.found


async def test_an_invalid_field_is_named(visit, pod):
    pod["spec"]["containers"][0]["imagePullPolicy"] = "Sometimes"
    finding = found(await visit(), "task pod")
    assert finding.state is State.FAIL
    assert "spec.containers[0].imagePullPolicy" in finding.found


async def test_a_quota_is_judged_with_its_figures(visit, create, node, namespace, pod):
    await create("v1", "resourcequotas", "few", spec={"hard": {"requests.cpu": "2"}})
    # The quota controller, which fills the status, does not run here.
    status = {"hard": {"requests.cpu": "2"}, "used": {"requests.cpu": "1500m"}}
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/few/status"
    await node._patch(path, {"status": status})
    silent = await visit()
    assert "says nothing about it" in found(silent, "quota").found
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    full = await visit()
    assert found(full, "quota").state is State.WARN
    assert "1.5 of 2 requests.cpu are used" in found(full, "quota").found
    assert "exceeded quota" in found(full, "task pod").found
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "250m"}}
    fits = await visit()
    assert "room for 2 more task pods" in found(fits, "quota").found
    assert found(fits, "task pod").state is State.OK


async def test_a_limit_range_is_judged_with_its_figures(visit, create, pod):
    limits = [{"type": "Container", "max": {"memory": "1Gi"}}]
    await create("v1", "limitranges", "small", spec={"limits": limits})
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "2Gi"}}
    findings = await visit()
    bounds = [finding for finding in findings if finding.check == "limit range"]
    assert {finding.state for finding in bounds} == {State.FAIL}
    assert "has limits.memory 2Gi, LimitRange 'small' allows at most 1Gi" in bounds[0].found
    assert found(findings, "task pod").state is State.FAIL
