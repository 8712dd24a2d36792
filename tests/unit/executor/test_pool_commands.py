import pytest
from airflow.cli import cli_parser

from tradewind import config
from tradewind.errors import ConfigError


@pytest.mark.parametrize("verb", ["status", "drain", "simulate"])
@pytest.mark.parametrize(
    ("more", "section"), [((), "tradewind"), (("--section", "gpu_cluster"), "gpu_cluster")]
)
def test_pools_of_a_further_cluster_are_those_of_its_section(
    monkeypatch, capsys, verb, more, section
):
    def load(conf, *, section):
        raise ConfigError(f"[{section}] says nothing: say something")

    monkeypatch.setattr(config, "load", load)
    args = cli_parser.get_parser().parse_args(["tradewind", "pool", verb, *more])
    with pytest.raises(SystemExit) as ended:
        args.func(args)
    assert f"[{section}] says nothing" in f"{ended.value.code} {capsys.readouterr().err}"
