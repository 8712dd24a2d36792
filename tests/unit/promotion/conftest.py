import pytest
from estate import Estate, FakeRegistry, write_helm


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
    """Return what runs `tradewind promote …` in the clone: exit code, output, errors."""
    from tradewind import program  # noqa: PLC0415 - as the console script does

    monkeypatch.setenv("HELM", str(write_helm(tmp_path)))
    for variable in ("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "TRADEWIND_FORGE_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")

    def run(*words):
        code = program.main(["promote", *words, f"--repository={estate.clone}"])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
