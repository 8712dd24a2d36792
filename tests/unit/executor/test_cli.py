import pytest
from airflow.cli import cli_parser

from tradewind import cli


@pytest.fixture
def template(tmp_path, monkeypatch):
    path = tmp_path / "pod.yaml"
    path.write_text("kind: Pod\nspec: {containers: [{name: base, image: worker}]}")
    monkeypatch.setenv("AIRFLOW__TRADEWIND__POD_TEMPLATE_FILE", str(path))
    return path


def test_airflow_knows_the_command():
    parsed = cli_parser.get_parser().parse_args(["tradewind", "check"])
    assert parsed.func is cli.check_settings


@pytest.mark.usefixtures("template")
def test_good_settings_are_shown(capsys):
    cli.check_settings(None)
    assert "create_concurrency" in capsys.readouterr().out


def test_a_bad_template_is_one_sentence_and_a_failure(template, capsys):
    template.write_text("kind: Deployment")
    with pytest.raises(SystemExit) as caught:
        cli.check_settings(None)
    assert caught.value.code == 2
    assert "begin it with `kind: Pod`" in capsys.readouterr().err


@pytest.mark.usefixtures("template")
def test_a_bad_option_is_one_sentence_and_a_failure(capsys, monkeypatch):
    monkeypatch.setenv("AIRFLOW__TRADEWIND__CREATE_CONCURRENCY", "many")
    with pytest.raises(SystemExit) as caught:
        cli.check_settings(None)
    assert caught.value.code == 2
    assert "create_concurrency" in capsys.readouterr().err
