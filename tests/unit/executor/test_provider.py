import importlib
import importlib.metadata

from packaging.requirements import Requirement

from tradewind import __version__, config, options, provider
from tradewind.testing.builders import DictConf


def test_the_executor_it_names_can_be_imported():
    module, _, name = provider.EXECUTOR.rpartition(".")
    assert hasattr(importlib.import_module(module), name)


def test_every_option_is_published_and_no_other():
    published = provider.get_provider_info()["config"]["tradewind"]["options"]
    assert published.keys() == {option.name for option in options.OPTIONS}


def test_no_published_default_hides_upstreams_section():
    # Airflow merges published defaults into the configuration, so this is what a user gets who
    # moves from upstream's executor and keeps its section.
    options = provider.get_provider_info()["config"]["tradewind"]["options"]
    conf = {("tradewind", name): o["default"] for name, o in options.items() if o["default"]}
    conf[("kubernetes_executor", "namespace")] = "theirs"
    assert config.load(DictConf(conf)).namespace == "theirs"


def test_versions_agree():
    assert provider.get_provider_info()["versions"] == [__version__]
    assert importlib.metadata.version("airflow-tradewind") == __version__


def test_airflow_finds_the_provider():
    points = importlib.metadata.entry_points(group="apache_airflow_provider")
    assert "tradewind.provider:get_provider_info" in {point.value for point in points}


def test_it_asks_for_the_airflow_it_is_written_for():
    (airflow,) = [
        Requirement(text)
        for text in importlib.metadata.requires("airflow-tradewind")
        if Requirement(text).name == "apache-airflow"
    ]
    assert not airflow.specifier.contains("3.3.1"), "its scheduler assigns no launch ids in time"
    assert airflow.specifier.contains("3.3.2")
    assert not airflow.specifier.contains("4.0.0")


def test_the_commands_it_names_can_be_imported():
    for path in provider.get_provider_info()["cli"]:
        module, _, name = path.rpartition(".")
        (group,) = getattr(importlib.import_module(module), name)()
        assert {"check", "why", "cleanup-pods"} <= {command.name for command in group.subcommands}
