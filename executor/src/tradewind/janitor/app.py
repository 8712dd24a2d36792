"""The janitor as a program: sweeps on a beat, one writer at a time, liveness and metrics.

kopf keeps the picture of the pods (`handlers`); everything else is here and in what this calls.
Loop thread only. Nothing is ever written to a pod: no finalizer, no annotation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web
from loguru import logger

from tradewind import metrics
from tradewind.client.errors import ClusterError
from tradewind.clock import Clock, SystemClock
from tradewind.janitor import connect
from tradewind.janitor.freshness import Pulse, WatchCheck
from tradewind.janitor.inquiry import Inquiry
from tradewind.janitor.kube import HttpLeases
from tradewind.janitor.leadership import DURATION_S, Leadership
from tradewind.janitor.policy import Removal
from tradewind.janitor.prometheus import PrometheusMetrics
from tradewind.janitor.recorder import TellingRecorder
from tradewind.janitor.settings import Settings
from tradewind.janitor.sweep import Limits, Report, Sweep
from tradewind.janitor.view import PodView

Views = Callable[[], Iterable[PodView]]
"""Returns what the watch has shown so far."""

_CHECK_EVERY_S = 120.0
_BEAT_S = DURATION_S / 4


class Janitor:
    """One janitor for one installation. Constructing it opens nothing."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock()
        self.metrics = PrometheusMetrics()
        self.kube = connect.kube(settings, measured=self.metrics)
        asks = settings.removed is not Removal.INSTALLATION
        self._airflow = connect.airflow(settings) if asks else None
        self.inquiry = (
            Inquiry(self._airflow, monotonic_s=self.clock.now_s) if self._airflow else None
        )
        self.leadership = Leadership(
            HttpLeases(
                self.kube,
                namespace=settings.lease_namespace or settings.watched[0],
                name=settings.lease_name,
            ),
            identity=settings.identity,
            monotonic_s=self.clock.now_s,
        )
        self.sweep = Sweep(
            kube=self.kube,
            inquiry=self.inquiry,
            rules=settings.rules,
            recorder=TellingRecorder(self.kube, identity=settings.identity),
            clock=self.clock,
            measured=self.metrics,
            may_write=self.leadership.may_write,
            limits=Limits(
                dry_run=settings.dry_run,
                most_deletions=settings.most_deletions,
                reads_nodes=settings.reads_nodes,
            ),
        )
        self.pulse = Pulse(interval_s=settings.sweep_interval_s, started_s=self.clock.now_s())
        self.check = WatchCheck()
        self._checked_s = float("-inf")
        self._leads = False
        self._server: web.AppRunner | None = None

    # -- sweeps ----------------------------------------------------------------------------------

    async def run(self, views: Views) -> None:
        """Sweep again and again, until cancelled."""
        due_s = self.clock.now_s()
        while True:
            try:
                if await self.lead() and self.clock.now_s() >= due_s:
                    due_s = self.clock.now_s() + self.settings.sweep_interval_s
                    await self._sweep(views)
                elif not self._leads:
                    # On standby the watch goes on, so that a takeover begins with a full picture.
                    self.pulse.swept(self.clock.now_s())
                await self._check(views)
            except Exception:  # noqa: BLE001 - a loop's top: logged, counted, tried again
                self.metrics.count(metrics.JANITOR_SWEEPS, outcome="failed")
                logger.exception("the sweep failed, it is tried again")
                due_s = self.clock.now_s() + self.settings.sweep_interval_s
            await self.clock.sleep(min(_BEAT_S, self.settings.sweep_interval_s))

    async def lead(self) -> bool:
        """Renew our Lease and return whether we may write."""
        try:
            leads = await self.leadership.renew()
        except ClusterError as error:
            logger.warning("the Lease cannot be renewed: {}", error)
            leads = self.leadership.may_write()
        if leads != self._leads:
            logger.info("leading" if leads else "on standby for {}", self.leadership.holder)
        self._leads = leads
        self.metrics.gauge(metrics.JANITOR_LEADS, float(leads))
        return leads

    async def _sweep(self, views: Views) -> None:
        began_s = self.clock.now_s()
        report = await self.sweep.run(view for view in views() if view.uid not in self.check.ghosts)
        took_s = self.clock.now_s() - began_s
        self.pulse.swept(self.clock.now_s())
        outcome = "doubtful" if report.failure else "done"
        self.metrics.count(metrics.JANITOR_SWEEPS, outcome=outcome)
        self.metrics.timing(metrics.JANITOR_SWEEP, took_s)
        self.metrics.gauge(metrics.JANITOR_LAST_SWEEP, self.clock.utc_s())
        _tell(report, took_s)

    async def _check(self, views: Views) -> None:
        """Hold the watch's picture against a list, now and then."""
        now_s = self.clock.now_s()
        if now_s - self._checked_s < _CHECK_EVERY_S:
            return
        self._checked_s = now_s
        seen = {v.uid: int(v.version) for v in views() if v.version.isdecimal()}
        listed: dict[str, int] = {}
        for namespace in self.settings.watched:
            listed |= await self.kube.versions(namespace, selector=self.settings.selector)
        self.check.compare(seen, listed)
        self.pulse.checked(self.check.behind, now_s)
        self.metrics.gauge(metrics.JANITOR_WATCH_BEHIND, self.check.behind)

    def heard(self, kind: str | None) -> None:
        """Count what the watch says; `kind` is None for a pod of a list."""
        self.metrics.count(metrics.JANITOR_WATCHED, kind=(kind or "listed").lower())

    # -- liveness and metrics --------------------------------------------------------------------

    async def open(self) -> None:
        """Serve /healthz and /metrics."""
        if not self.settings.port:
            return
        app = web.Application()
        app.add_routes([web.get("/healthz", self._healthz), web.get("/metrics", self._page)])
        self._server = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._server.setup()
        await web.TCPSite(self._server, port=self.settings.port).start()

    async def close(self) -> None:
        """Give the Lease back and close every connection."""
        try:
            await self.leadership.release()
        except ClusterError as error:
            logger.debug("the Lease is left to lapse: {}", error)
        if self._server is not None:
            await self._server.cleanup()
        if self._airflow is not None:
            await self._airflow.close()
        await self.kube.close()

    async def _healthz(self, _: web.Request) -> web.Response:
        trouble = self.pulse.trouble(self.clock.now_s())
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(body=self.metrics.page(), content_type="text/plain", charset="utf-8")


def _tell(report: Report, took_s: float) -> None:
    reasons = {reason.value: count for reason, count in report.reasons.items()}
    line = logger.bind(pods=reasons, questions=report.questions, seconds=round(took_s, 3))
    if report.failure:
        line.warning("nothing is deleted: {}", report.failure)
    else:
        line.info("swept {} pods", report.reasons.total())
