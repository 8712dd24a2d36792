import json
import logging
from dataclasses import replace

import msgspec
import pytest
from airflow.cli import cli_parser

from tradewind import cli
from tradewind.client import connect, endpoint
from tradewind.client.endpoint import Answer
from tradewind.client.errors import ApiError, ConnectionLostError
from tradewind.client.inspection import LimitRange, Quota
from tradewind.dispatch.renderer import Renderer
from tradewind.doctor.checks import EXECUTOR, AirflowFacts
from tradewind.doctor.findings import State, worst
from tradewind.doctor.survey import examine
from tradewind.errors import ConfigError
from tradewind.testing.builders import settings

AIRFLOW = AirflowFacts(version="3.3.2", executor=EXECUTOR, task_queued_timeout_s=1200.0)
TYPO = ApiError(400, reason="BadRequest", message='strict decoding error: unknown field "spec.x"')


class PlayedInspection:
    """An API server whose every answer a test can set; all is well by default."""

    def __init__(self, **answers):
        self.clock_skew_s = 0.0
        self.closed = False
        self.tried = []
        self.asked = []
        self.answers = {
            "version": "v1.36.3",
            "may": None,
            "quotas": (),
            "limit_ranges": (),
            "strict": None,
            "loose": None,
        } | answers

    async def version(self):
        return self._answer("version")

    async def may(self, verb, resource, subresource, *, namespace):
        self._answer("may")
        self.asked.append((verb, namespace))
        return (resource, subresource) in {("pods", ""), ("pods", "log"), ("events", "")}

    async def quotas(self, namespace):
        self.asked.append(("quotas", namespace))
        return self._answer("quotas")

    async def limit_ranges(self, namespace):
        self.asked.append(("limit_ranges", namespace))
        return self._answer("limit_ranges")

    async def try_pod(self, manifest, *, namespace, strict):
        self.tried.append((manifest, namespace))
        self._answer("strict" if strict else "loose")

    async def close(self):
        self.closed = True

    def _answer(self, name):
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod\nspec: {containers: [{name: base, image: worker}]}")
    return path


@pytest.fixture
def run(template):
    async def run(inspection, *, airflow=AIRFLOW, **options):
        values = {
            "pod_template_file": str(template),
            "namespace": "tasks",
            "boarding_url": "http://api/tradewind/v1/board",
        } | options
        return await examine(
            load=lambda: settings(**values),
            renderer=lambda loaded: Renderer(
                loaded,
                airflow_version="3.3.2",
                scheduler="doctor",
            ),
            connect=lambda _: inspection,
            ask=ask,
            airflow=airflow,
        )

    return run


async def ask(_):
    return Answer(status=401, content_type="application/json", server_time_s=100.0, asked_s=100.0)


def of(findings, check):
    return [finding for finding in findings if finding.check == check]


@pytest.mark.parametrize(
    ("pools", "state", "found"),
    [
        pytest.param('{"default": 3}', State.OK, "1 can make pods", id="usable"),
        pytest.param(
            '{"a": {"size": 1, "profile": "none"}}', State.WARN, "pool 'a': ", id="unusable"
        ),
    ],
)
async def test_warm_pools_are_judged_where_there_are_any(run, pools, state, found):
    (finding,) = of(await run(PlayedInspection(), warm_pools=pools), "warm pools")
    assert finding.state is state
    assert found in finding.found


async def test_options_of_upstream_that_change_nothing_are_found(run):
    told = replace(AIRFLOW, unread=("[kubernetes_executor] a is not read: b",))
    (finding,) = of(await run(PlayedInspection(), airflow=told), "settings of upstream")
    assert finding.state is State.WARN


async def test_a_sound_deployment_has_nothing_but_good_findings(run):
    inspection = PlayedInspection()
    findings = await run(inspection)
    assert worst(findings) is State.OK
    assert [finding.check for finding in findings] == [
        "Airflow",
        "Airflow",
        "settings",
        "timeouts",
        "boarding",
        "clock",
        "pod template",
        "API server",
        "clock",
        "permissions",
        "quota",
        "task pod",
    ]
    assert inspection.closed
    assert {namespace for _, namespace in inspection.asked} == {"tasks"}


async def test_the_tried_pod_is_one_the_executor_would_make(run):
    inspection = PlayedInspection()
    await run(
        inspection, multi_namespace_mode="True", multi_namespace_mode_namespace_list="a,tasks"
    )
    assert [namespace for _, namespace in inspection.tried] == ["a", "tasks"]
    pod, _ = inspection.tried[0]
    assert pod["metadata"]["namespace"] == "a"
    assert pod["metadata"]["labels"]["kubernetes_executor"] == "True"
    assert pod["spec"]["containers"][0]["image"] == "worker"
    assert pod["spec"]["restartPolicy"] == "Never"


async def test_bad_settings_end_the_visit_with_airflows_findings(run):
    findings = await run(PlayedInspection(), create_concurrency="many")
    assert [finding.check for finding in findings] == ["Airflow", "Airflow", "settings"]
    assert findings[-1].state is State.FAIL
    assert "create_concurrency is 'many'" in findings[-1].found


async def test_a_bad_template_leaves_the_cluster_to_be_judged(run, template):
    template.write_text("kind: Deployment")
    inspection = PlayedInspection()
    findings = await run(inspection)
    assert of(findings, "pod template")[0].state is State.FAIL
    assert of(findings, "permissions")[0].state is State.OK
    assert inspection.tried == []


async def test_a_server_out_of_reach_ends_the_visit(run):
    inspection = PlayedInspection(version=ConnectionLostError("refused"))
    findings = await run(inspection)
    assert findings[-1].check == "API server"
    assert findings[-1].state is State.FAIL
    assert inspection.closed


async def test_a_misspelt_field_is_a_loss_and_no_failure(run):
    inspection = PlayedInspection(strict=TYPO)
    (finding,) = of(await run(inspection), "task pod")
    assert finding.state is State.WARN
    assert 'unknown field "spec.x"' in finding.found
    assert len(inspection.tried) == 2


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({"strict": ApiError(422, message="Required value")}, id="strictly"),
        pytest.param({"strict": TYPO, "loose": ApiError(422, message="Required value")}, id="both"),
    ],
)
async def test_a_refused_pod_is_a_failure(run, answers):
    (finding,) = of(await run(PlayedInspection(**answers)), "task pod")
    assert finding.state is State.FAIL
    assert "Required value" in finding.found


async def test_bounds_that_may_not_be_read_are_no_trouble(run):
    forbidden = ApiError(403, reason="Forbidden", message="cannot list resource quotas")
    (finding,) = of(await run(PlayedInspection(quotas=forbidden)), "quota")
    assert finding.state is State.OK
    assert "not looked at" in finding.found


async def test_bounds_are_judged(run):
    quota = msgspec.convert(
        {"metadata": {"name": "q"}, "status": {"hard": {"pods": "1"}, "used": {"pods": "1"}}}, Quota
    )
    limits = [{"type": "Container", "default": {"cpu": "4"}, "max": {"cpu": "2"}}]
    limit_range = msgspec.convert({"spec": {"limits": limits}}, LimitRange)
    findings = await run(PlayedInspection(quotas=(quota,), limit_ranges=(limit_range,)))
    assert of(findings, "quota")[0].state is State.WARN
    assert of(findings, "limit range")[0].state is State.FAIL


async def test_permissions_that_cannot_be_asked_for_are_said_so(run):
    (finding,) = of(await run(PlayedInspection(may=ApiError(403))), "permissions")
    assert finding.state is State.WARN
    assert "SelfSubjectAccessReviews" in finding.remedy


@pytest.fixture
def played(monkeypatch, template):
    """Give the command a played API server; returns it."""
    inspection = PlayedInspection()
    monkeypatch.setattr(connect, "inspect", lambda _: inspection)
    monkeypatch.setenv("AIRFLOW__TRADEWIND__POD_TEMPLATE_FILE", str(template))
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", EXECUTOR)
    return inspection


def doctor(*flags):
    parsed = cli_parser.get_parser().parse_args(["tradewind", "doctor", *flags])
    assert parsed.func is cli.examine_deployment
    parsed.func(parsed)


@pytest.mark.usefixtures("played")
def test_the_command_prints_a_table(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    doctor()
    printed = capsys.readouterr().out
    assert "task pod" in printed
    assert "[scheduler] task_queued_timeout is 600 s" in printed


def test_the_command_fails_when_tasks_cannot_run(played, capsys):
    played.answers["version"] = ConnectionLostError("refused")
    with pytest.raises(SystemExit) as caught:
        doctor("--json")
    assert caught.value.code == 1
    findings = json.loads(capsys.readouterr().out)
    assert findings[-1]["state"] == "fail"
    assert set(findings[-1]) == {"check", "state", "found", "remedy"}


def test_nothing_is_logged_between_the_json(played, caplog):
    async def version():
        logging.getLogger("tradewind").warning("a word in between")
        return "v1.36.3"

    played.version = version
    doctor("--json")
    assert caplog.records == []
    doctor("--json", "--verbose")
    assert "a word in between" in caplog.text


@pytest.mark.usefixtures("played")
def test_missing_credentials_are_a_finding(capsys, monkeypatch):
    def unconnected(_):
        raise ConfigError("no kubeconfig at '/none'")

    monkeypatch.setattr(connect, "inspect", unconnected)
    with pytest.raises(SystemExit):
        doctor("--json")
    assert "no kubeconfig" in json.loads(capsys.readouterr().out)[-1]["found"]


async def test_what_answers_where_pods_board_is_judged(run):
    (finding,) = of(await run(PlayedInspection(), boarding_url=""), "boarding")
    assert finding.state is State.WARN
    (finding,) = of(await run(PlayedInspection(), delivery="args"), "boarding")
    assert finding.state is State.OK


@pytest.mark.usefixtures("played")
def test_the_command_asks_the_address_of_the_settings(capsys, monkeypatch):
    asked = []

    async def answer(url, *, ca_file):
        asked.append((url, ca_file))
        return Answer(status=200, content_type="text/html")

    monkeypatch.setattr(endpoint, "ask", answer)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "https://api/execution/")
    monkeypatch.setenv("AIRFLOW__API__SSL_CERT", "/etc/ca.crt")
    doctor("--json")
    found = [one for one in json.loads(capsys.readouterr().out) if one["check"] == "boarding"]
    assert asked == [("https://api/tradewind/v1/board", "/etc/ca.crt")]
    assert [one["state"] for one in found] == ["warn"]
    assert "did not load the plugin, so workloads" in found[0]["found"]
