import pytest
from estate import Estate, FakeRegistry, promote_in, write_helm


@pytest.fixture(scope="session")
def first_estate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("estate")
    Estate(folder)
    return folder


@pytest.fixture
def estate(tmp_path, first_estate):
    return Estate(tmp_path, like=first_estate)


@pytest.fixture
def registry():
    started = FakeRegistry()
    yield started
    started.close()


@pytest.fixture
def command(estate, tmp_path, monkeypatch, capsys):
    """Run `tradewind promote …` in the clone; see `promote_in`."""
    monkeypatch.setenv("HELM", str(write_helm(tmp_path)))
    for variable in ("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "TRADEWIND_FORGE_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    return promote_in(estate, monkeypatch, capsys)
