"""The claims of `test_state_machine` hold beside a warm pool too, whatever happens to it.

The pool changes its size and shape, its pods start and die, patches fail with and without effect,
and another scheduler claims and drains pods under our hands.
"""

import json
import tempfile
import uuid
from pathlib import Path

import pytest
from enabled import has_idle_pods, has_idle_pods_that_run, has_idle_pods_that_wait
from examples import TIMEOUT_S, settings_for
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from launch_machine import ERRORS, LAUNCH, FixedRenderer, Machine

from tradewind.client.errors import ApiError
from tradewind.testing.builders import base_ended, base_running

POOL, TEMPLATE, DRAINING = "tradewind/pool", "tradewind/template", "tradewind/draining"
PATCH_ERRORS = ERRORS | {"conflict": ApiError(409), "gone": ApiError(404), "no": ApiError(403)}


class PoolRenderer(FixedRenderer):
    """Renders pods of one shape, which changes."""

    def __init__(self):
        self.shape = 1
        self.rendered = {}

    def boards(self):
        return True

    async def render(self, launch, *, ordinal):
        manifest = await super().render(launch, ordinal=ordinal)
        # Launches of the other namespace fit no pool.
        if launch.task.dag_id == "a":
            manifest["metadata"]["labels"][TEMPLATE] = f"h{self.shape}"
            self.rendered[str(launch.launch_id)] = f"h{self.shape}"
        return manifest

    async def render_idle(self, pool, *, name):
        labels = {POOL: pool.name, TEMPLATE: f"h{self.shape}"}
        return {"metadata": {"name": name, "namespace": "a", "labels": labels}, "spec": {}}


class PoolMachine(Machine):
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.pools = Path(self.folder.name, "pools.yaml")
        self.shaped = PoolRenderer()
        self.taken = 0
        self.want(2)
        super().__init__()

    def want(self, size):
        self.pools.write_text(json.dumps({"p": size}))

    def options(self):
        return super().options() | {"warm_pools": str(self.pools)}

    def renderer(self):
        return self.shaped

    def idle(self, *, phases=("Pending", "Running")):
        return [
            (namespace, name)
            for (namespace, name), pod in self.cluster._pods.items()
            if LAUNCH not in pod["metadata"]["labels"] and pod["status"].get("phase") in phases
        ]

    # -- rules -----------------------------------------------------------------------------------

    @rule(size=st.sampled_from([0, 1, 3]))
    def resize_the_pool(self, size):
        self.want(size)

    @rule()
    def change_the_template(self):
        self.shaped.shape += 1

    @precondition(has_idle_pods_that_wait)
    @rule()
    def idle_pods_start(self):
        for namespace, name in self.idle(phases=["Pending"]):
            self.do(self.cluster.set_status(namespace, name, base_running()))

    @precondition(has_idle_pods)
    @rule(data=st.data())
    def an_idle_pod_dies(self, data):
        namespace, name = self.pick(data, self.idle())
        self.do(self.cluster.set_status(namespace, name, base_ended(1)))

    @rule(error=st.sampled_from(sorted(PATCH_ERRORS)), takes_effect=st.booleans())
    def plan_an_error_of_a_patch(self, error, takes_effect):
        lost = takes_effect and error in {"reset", "raw", "unavailable", "server"}
        self.cluster.fail("patch", PATCH_ERRORS[error], takes_effect=lost)

    @precondition(has_idle_pods_that_run)
    @rule(data=st.data(), mark=st.sampled_from([LAUNCH, DRAINING]))
    def another_scheduler_takes_an_idle_pod(self, data, mark):
        namespace, name = self.pick(data, self.idle(phases=["Running"]))
        labels = self.cluster.raw(namespace, name)["metadata"]["labels"]
        self.taken += 1
        value = str(uuid.UUID(int=self.taken << 32)) if mark == LAUNCH else "true"
        if DRAINING not in labels and not self.cluster.is_down:
            self.cluster._plans["patch"].clear()
            patch = {"metadata": {"labels": {mark: value}}}
            self.do(self.cluster.patch_pod(namespace, name, patch))

    @precondition(has_idle_pods_that_run)
    @rule()
    def submit_beside_idle_pods(self):
        self.submit(2, "a")

    # -- claims ----------------------------------------------------------------------------------

    @invariant()
    def no_pod_is_both_claimed_and_draining(self):
        for pod in self.cluster._pods.values():
            assert not {LAUNCH, DRAINING} <= pod["metadata"]["labels"].keys(), pod

    @invariant()
    def a_claimed_pod_is_of_the_launchs_own_shape(self):
        for pod in self.cluster._pods.values():
            labels = pod["metadata"]["labels"]
            if POOL in labels and labels.get(LAUNCH) in self.shaped.rendered:
                assert labels[TEMPLATE] == self.shaped.rendered[labels[LAUNCH]]

    def teardown(self):
        self.want(0)
        try:
            super().teardown()
        finally:
            self.folder.cleanup()

    def heal_and_drain(self):
        super().heal_and_drain()
        assert not self.idle(), "a pool of no size has pods"


@pytest.mark.timeout(TIMEOUT_S)
class TestPoolMachine(PoolMachine.TestCase):
    settings = settings_for(examples=10, steps=50)
