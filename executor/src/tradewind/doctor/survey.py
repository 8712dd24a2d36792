"""Ask the API server everything the checks need, in order. The only module here with I/O."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from tradewind.client.endpoint import Answer
from tradewind.client.errors import ApiError, ClusterError
from tradewind.client.inspection import Inspection, LimitRange, Quota
from tradewind.config import Settings
from tradewind.dispatch import endpoint_policy
from tradewind.dispatch.ledger import Launch
from tradewind.dispatch.pool import check as pool_check
from tradewind.dispatch.pool import spec
from tradewind.dispatch.renderer import Renderer
from tradewind.doctor import boarding, capacity, checks, permissions
from tradewind.doctor.checks import AirflowFacts
from tradewind.doctor.findings import Finding, fail, ok, warn
from tradewind.errors import ConfigError
from tradewind.pods.labels import TaskRef
from tradewind.pods.template import Manifest

SETTINGS = "settings"
TEMPLATE = "pod template"
POOLS = "warm pools"


async def examine(
    *,
    load: Callable[[], Settings],
    renderer: Callable[[Settings], Renderer],
    connect: Callable[[Settings], Inspection],
    ask: Callable[[Settings], Awaitable[Answer]],
    airflow: AirflowFacts,
) -> list[Finding]:
    """Return everything found, of Airflow and the settings first, then of the cluster.

    Every trouble of ours is a finding, so that this raises none; what needs the settings or the
    API server is left out without them.
    """
    findings = checks.airflow(airflow)
    try:
        settings = load()
        findings.append(ok(SETTINGS, f"all {len(settings.__slots__)} can be read"))
        findings.append(
            checks.timeouts(
                task_queued_timeout_s=airflow.task_queued_timeout_s,
                launch_budget_s=settings.launch_budget_s,
            )
        )
        findings += checks.unread(airflow.unread)
        inspection = connect(settings)
    except ConfigError as error:
        return [*findings, fail(SETTINGS, str(error), "correct it and run this again")]
    try:
        findings += await _boarding(settings, ask)
        surveyed = _survey(inspection, settings, renderer(settings))
        return findings + [finding async for finding in surveyed]
    finally:
        await inspection.close()


async def _boarding(
    settings: Settings, ask: Callable[[Settings], Awaitable[Answer]]
) -> list[Finding]:
    standing = None
    if settings.boarding_url and settings.delivery != "args":
        standing = endpoint_policy.judge(await ask(settings), url=settings.boarding_url)
    return boarding.judge(standing, delivery=settings.delivery, audience=settings.boarding_audience)


async def _survey(
    inspection: Inspection, settings: Settings, renderer: Renderer
) -> AsyncIterator[Finding]:
    try:
        pod = await renderer.render(sample_launch(), ordinal=0)
        yield ok(TEMPLATE, f"{settings.pod_template_file} makes a pod")
    except ConfigError as error:
        pod = None
        yield fail(TEMPLATE, str(error), "correct it; until then every task fails")
    if spec.is_on(settings.warm_pools):
        yield await _pools(settings, renderer)
    try:
        yield checks.kubernetes_version(await inspection.version())
    except ClusterError as error:
        yield checks.unreachable(error)
        return
    yield checks.clock(inspection.clock_skew_s)
    for finding in await _permissions(inspection, settings):
        yield finding
    for namespace in settings.watched_namespaces or (settings.namespace,):
        if pod is not None:
            for finding in await _room(inspection, namespace, pod):
                yield finding
            yield await _trial(inspection, namespace, pod)


async def _pools(settings: Settings, renderer: Renderer) -> Finding:
    try:
        count = await pool_check.check(settings, renderer)
    except ConfigError as error:
        return warn(POOLS, str(error), "correct it; until then tasks start cold")
    return ok(POOLS, f"{count} can make pods, each of a shape of its own")


def sample_launch() -> Launch:
    """Return a launch like any other, of a task that does not exist."""
    launch_id = uuid.uuid4()
    return Launch(
        key="doctor",
        launch_id=launch_id,
        row_id=launch_id,
        task=TaskRef(dag_id="tradewind", task_id="doctor", run_id="dry-run", try_number=1),
        priority=1,
        render_args=lambda: ["python", "-c", "pass"],
    )


async def _permissions(inspection: Inspection, settings: Settings) -> list[Finding]:
    answers = []
    asked = permissions.questions(namespace=settings.namespace, watched=settings.watched_namespaces)
    try:
        for question in asked:
            wanted = question.permission
            allowed = await inspection.may(
                wanted.verb, wanted.resource, wanted.subresource, namespace=question.namespace
            )
            answers.append((question, allowed))
    except ClusterError as error:
        remedy = (
            "let the API server answer SelfSubjectAccessReviews (ClusterRole system:basic-user)"
        )
        return [warn(permissions.CHECK, f"cannot be asked for: {error}", remedy)]
    return permissions.judge(answers)


async def _room(inspection: Inspection, namespace: str, pod: Manifest) -> list[Finding]:
    """Judge quotas and limits. Not every ServiceAccount may read them; the trial tells all."""
    try:
        quotas: Sequence[Quota] = await inspection.quotas(namespace)
        ranges: Sequence[LimitRange] = await inspection.limit_ranges(namespace)
        needs = capacity.needs(pod, ranges)
    except (ClusterError, ValueError) as error:
        return [ok(capacity.QUOTA, f"of namespace {namespace!r} not looked at: {error}")]
    found = capacity.judge_limits(ranges, needs)
    for quota in quotas:
        found += capacity.judge_quota(quota, needs)
    return found or [ok(capacity.QUOTA, f"nothing limits pods in namespace {namespace!r}")]


async def _trial(inspection: Inspection, namespace: str, pod: Manifest) -> Finding:
    # A namespace in the template would contradict the path when several are tried.
    metadata = {**pod["metadata"], "namespace": namespace}
    manifest = {**pod, "metadata": metadata}
    try:
        await inspection.try_pod(manifest, namespace=namespace, strict=True)
    except ApiError as strict:
        if "strict decoding" not in strict.message:
            return checks.refused(strict, namespace)
        try:
            await inspection.try_pod(manifest, namespace=namespace, strict=False)
        except ClusterError as error:
            return checks.refused(error, namespace)
        return checks.loosely_accepted(strict, namespace)
    except ClusterError as error:
        return checks.refused(error, namespace)
    return checks.accepted(namespace)
