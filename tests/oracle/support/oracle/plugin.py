"""The pytest plugin of the tier: collects upstream's tests and judges them by the tables.

`--against=upstream` runs them as they are, which shows that the shim they stand on is sound;
`--against=tradewind` puts Tradewind behind the names they import.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from oracle import verdicts

pytest_plugins = ["oracle.fixtures"]

SUPPORT = Path(__file__).parents[1]
MARKERS = ("db_test", "enable_redact", "execution_timeout")
"""Of upstream's monorepo; no test here depends on what they do there."""
NOWHERE = {
    "IN_CLUSTER": "False",
    "CONFIG_FILE": str(SUPPORT / "oracle" / "nowhere.kubeconfig"),
}
"""Settings by which our executor starts without a cluster."""
ENVIRONMENT = {"AIRFLOW__CORE__DAGS_FOLDER": str(SUPPORT / "dags")} | {
    f"AIRFLOW__{team}TRADEWIND__{option}": value
    # Teams of upstream's tests; the settings of a team do not fall back to those of all.
    for team in ("", "TEAM_A___", "TEAM_B___")
    for option, value in NOWHERE.items()
}
TABLES = {
    "intended": verdicts.INTENDED,
    "open": verdicts.OPEN,
    "not applicable": verdicts.NOT_APPLICABLE,
}
WORDS = {"not applicable": "deselected", "intended": "differs on purpose", "open": "open"}
"""How the lines of a kind begin."""
OURS = "tradewind.executor.TradewindExecutor"


def pytest_addoption(parser):
    """Add the choice of what is tested."""
    parser.addoption(
        "--against",
        choices=("upstream", "tradewind"),
        required=True,
        help="whose code upstream's tests run against",
    )


def pytest_configure(config):
    """Prepare Airflow's settings, install the adapter, add upstream's files to the arguments."""
    # Airflow reads its settings when it is imported, which the adapter does.
    os.environ.update(ENVIRONMENT)
    for marker in MARKERS:
        config.addinivalue_line("markers", f"{marker}: of upstream")
    folder = Path(os.environ["UPSTREAM_TESTS"])
    config.pluginmanager.register(Judge(folder))
    if config.getoption("against") == "tradewind":
        os.environ["AIRFLOW__CORE__EXECUTOR"] = OURS
        from tests_common.test_utils import config as options  # noqa: PLC0415 - same

        from oracle import adapter  # noqa: PLC0415 - only now are the settings complete

        adapter.install()
        options.STANDS_FOR["KubernetesExecutor"] = OURS
    config.args.extend(str(folder / file) for file in verdicts.FILES)


class Judge:
    """Applies the tables to the collected tests and counts what became of them."""

    def __init__(self, folder):
        self._folder = folder
        self._counts = {file: Counter() for file in verdicts.FILES}
        self._reasons = Counter()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config, items):
        """Take out what does not apply, mark what is expected to fail."""
        of_upstream = [item for item in items if self._file(item)]
        for item in of_upstream:
            item.user_properties.append(("file", self._file(item)))
            self._counts[self._file(item)]["tests"] += 1
        if config.getoption("against") != "tradewind":
            return
        check(TABLES, tests=[(self._file(item), _name(item)) for item in of_upstream])
        set_aside = {item for item in of_upstream if self._is_set_aside(item)}
        items[:] = [item for item in items if item not in set_aside]
        config.hook.pytest_deselected(items=list(set_aside))

    def _is_set_aside(self, item):
        file = self._file(item)
        for kind, table in TABLES.items():
            verdict = _find(table, file, _name(item))
            if verdict is None:
                continue
            self._reasons[kind, verdict.reason] += 1
            if kind == "not applicable":
                self._counts[file][kind] += 1
                return True
            expected = {"raises": verdict.raises, "reason": verdict.reason}
            item.add_marker(pytest.mark.xfail(strict=True, **expected))
            item.user_properties.append(("kind", kind))
        return False

    def pytest_runtest_logreport(self, report):
        """Count a finished test under its file."""
        known = dict(report.user_properties)
        # A test is counted at its call; its set-up and its end only when they are the bad news.
        if "file" not in known or (report.when != "call" and report.passed):
            return
        outcome = known["kind"] if "kind" in known and report.skipped else report.outcome
        self._counts[known["file"]][outcome] += 1

    def pytest_terminal_summary(self, terminalreporter, config):
        """Print why tests were set aside, and the table."""
        write = terminalreporter.write_line
        against = config.getoption("against")
        terminalreporter.section(f"upstream's tests against {against}")
        for kind, word in WORDS.items():
            for (of_kind, reason), count in sorted(self._reasons.items()):
                if of_kind == kind:
                    write(f"{word} {count}: {reason}")
        columns = ("tests", "passed", "intended", "open", "not applicable", "skipped", "failed")
        width = max(map(len, verdicts.FILES))
        write(f"{'file':{width}}  " + "  ".join(columns))
        total = sum(self._counts.values(), Counter())
        for file, counts in [*self._counts.items(), ("all", total)]:
            cells = (f"{counts[column]:{len(column)}}" for column in columns)
            write(f"{file:{width}}  " + "  ".join(cells))

    def _file(self, item):
        if item.path.is_relative_to(self._folder):
            return item.path.relative_to(self._folder).as_posix()
        return None


def _name(item):
    """Return class, name and parameters, without the path (empty outside the checkout)."""
    return item.nodeid.partition("::")[2]


def _find(table, file, test):
    return next((entry for entry in table if entry.file == file and entry.names(test)), None)


def check(tables, *, tests):
    """Stop when an entry names none of the tests (file and name), or two name the same."""
    entries = [entry for table in tables.values() for entry in table]
    used = set()
    for file, test in tests:
        hits = [(entry, p) for entry in entries if entry.file == file for p in entry.names(test)]
        used.update(hits)
        if len(hits) > 1:
            patterns = ", ".join(repr(pattern) for _, pattern in hits)
            raise pytest.UsageError(f"{file} {test} stands in the tables twice: {patterns}")
    for entry in entries:
        for pattern in entry.patterns:
            if (entry, pattern) not in used:
                raise pytest.UsageError(f"{pattern!r} names no test of {entry.file}: remove it")
