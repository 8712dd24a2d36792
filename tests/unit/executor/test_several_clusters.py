"""One executor for each cluster, as docs/several-clusters.md shows it."""

import asyncio
import configparser
import importlib
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.executors.executor_loader import ExecutorLoader

from tradewind import assembly, boarding_server, config
from tradewind.errors import ConfigError
from tradewind.executor import TradewindExecutor
from tradewind.testing.builders import DictConf
from tradewind.testing.fake_cluster import FakeCluster

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLE = DOCS / "examples" / "several-clusters"


@pytest.fixture
def clusters(monkeypatch):
    """Import the example as Airflow does: by its module's path."""
    monkeypatch.syspath_prepend(EXAMPLE)
    yield importlib.import_module("clusters")
    monkeypatch.delitem(importlib.sys.modules, "clusters")


@pytest.fixture
def configured(monkeypatch, template, clusters, loader):
    """Set what the example's airflow.cfg says, but for the template's path."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(EXAMPLE / "airflow.cfg")
    for section in parser.sections():
        for name, value in parser[section].items():
            if name != "pod_template_file":
                monkeypatch.setenv(f"AIRFLOW__{section}__{name}".upper(), value)


@pytest.mark.usefixtures("configured")
def test_airflow_takes_both_and_each_has_its_cluster(clusters):
    ours, gpu = ExecutorLoader.init_executors()
    assert (type(ours), type(gpu)) == (TradewindExecutor, clusters.GpuCluster)
    assert gpu.name.alias == "gpu"
    assert (ours._settings.namespace, ours._settings.in_cluster) == ("tasks", True)
    assert (gpu._settings.namespace, gpu._settings.in_cluster) == ("gpu-tasks", False)
    assert gpu._settings.config_file == "/opt/airflow/gpu.kubeconfig"
    assert gpu._settings.pod_template_file == ours._settings.pod_template_file != ""


@pytest.mark.usefixtures("configured")
def test_a_task_gets_its_pod_in_the_cluster_of_its_executor(monkeypatch, scheduler):
    of = {"": FakeCluster(), "/opt/airflow/gpu.kubeconfig": FakeCluster()}

    def connect(settings, *, measured):
        cluster = of[settings.config_file]
        cluster._news = asyncio.Condition()
        return cluster

    monkeypatch.setattr(assembly, "connect", connect)
    _, gpu = ExecutorLoader.init_executors()
    gpu.job_id = 7
    gpu.start()
    try:
        gpu.queue_workload(scheduler.a_task(), session=None)
        deadline = time.monotonic() + 10
        while not of["/opt/airflow/gpu.kubeconfig"].names():
            gpu.heartbeat()
            assert time.monotonic() < deadline, "no pod in its cluster"
            time.sleep(0.005)
    finally:
        gpu.end()
    assert of[""].names() == []


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        pytest.param({}, ("args", ""), id="not-inherited"),
        pytest.param({"delivery": "boarding", "warm_pools": "{}"}, ("boarding", "{}"), id="set"),
    ],
)
def test_whether_pods_board_is_said_for_each_cluster(own, expected):
    conf = {
        ("core", "execution_api_server_url"): "http://api/execution/",
        ("tradewind", "delivery"): "auto",
        ("tradewind", "warm_pools"): '{"default": 3}',
    } | {("gpu", name): value for name, value in own.items()}
    loaded = config.load(DictConf(conf), section="gpu")
    assert (loaded.delivery, loaded.warm_pools) == expected
    assert config.load(DictConf(conf)).warm_pools == '{"default": 3}'


def test_errors_name_the_section_of_the_cluster():
    conf = DictConf({("gpu", "create_concurrency"): "many"})
    with pytest.raises(ConfigError, match=r"^\[gpu\] create_concurrency is 'many'"):
        config.load(conf, section="gpu")


@pytest.mark.usefixtures("configured")
def test_the_endpoint_reads_each_executors_own_section():
    _, gpu = ExecutorLoader.init_executors()
    assert boarding_server._settings(gpu).namespace == "gpu-tasks"


@pytest.mark.parametrize(
    ("queue", "executor", "expected"),
    [
        pytest.param("gpu", None, "gpu", id="by-its-queue"),
        pytest.param("default", None, None, id="another-queue"),
        pytest.param("gpu", "other", "other", id="its-own-choice-wins"),
    ],
)
def test_a_queue_names_the_cluster_by_a_cluster_policy(queue, executor, expected):
    text = (EXAMPLE / "airflow_local_settings.py").read_text()
    policy = {}
    exec(compile(text, "airflow_local_settings.py", "exec"), policy)  # noqa: S102 - the example
    task = SimpleNamespace(queue=queue, executor=executor)
    policy["task_policy"](task)
    assert task.executor == expected


def test_every_line_that_the_page_shows_stands_in_a_file():
    page = (DOCS / "several-clusters.md").read_text()
    blocks = [block.partition("\n")[2] for block in page.split("```")[1::2]]
    shown = {line for block in blocks for line in block.splitlines() if line}
    held = {line for path in EXAMPLE.iterdir() for line in path.read_text().splitlines()}
    assert shown <= held
    assert len(blocks) == 3
