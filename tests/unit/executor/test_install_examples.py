"""The files of docs/install.md say what the executor needs, neither less nor more."""

import configparser
from pathlib import Path

import yaml

from tradewind import options, provider
from tradewind.dispatch.renderer import Renderer
from tradewind.doctor.permissions import PERMISSIONS, Need
from tradewind.option_texts import SECTION
from tradewind.testing.builders import settings

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"
OUTSIDE = EXAMPLES / "outside-the-cluster"


def test_the_role_grants_what_the_doctor_asks_for_and_nothing_else():
    documents = list(yaml.safe_load_all((OUTSIDE / "access.yaml").read_text()))
    (role,) = [document for document in documents if document["kind"] == "Role"]
    granted = {
        (verb, resource)
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    wanted = {tuple(str(p).split()) for p in PERMISSIONS if p.need is not Need.EXCESSIVE}
    assert granted == wanted


def test_the_pod_template_is_accepted():
    chosen = settings(pod_template_file=str(OUTSIDE / "pod_template.yaml"))
    Renderer(chosen, airflow_version="3.3.2", scheduler="7").check()


def test_the_configuration_knows_only_options_that_exist():
    config = configparser.ConfigParser(interpolation=None)
    config.read(OUTSIDE / "airflow.cfg")
    assert config["core"]["executor"] == provider.EXECUTOR
    assert set(config[SECTION]) <= {option.name for option in options.OPTIONS}


def test_the_values_give_the_executor_to_every_component_that_asks():
    values = yaml.safe_load((EXAMPLES / "official-chart" / "values.yaml").read_text())
    wanted = [{"name": "AIRFLOW__CORE__EXECUTOR", "value": provider.EXECUTOR}]
    for component in ("scheduler", "apiServer", "dagProcessor"):
        assert values[component]["env"] == wanted
    assert set(values["config"][SECTION]) <= {option.name for option in options.OPTIONS}
