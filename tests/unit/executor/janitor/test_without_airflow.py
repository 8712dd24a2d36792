"""The janitor's image has neither Airflow nor what only Airflow brings."""

import subprocess
import sys

import pytest

MISSING = "airflow", "kubernetes", "pydantic", "sqlalchemy", "jinja2"
IMPORT_ALL = f"""
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import tradewind.janitor
for found in pkgutil.iter_modules(tradewind.janitor.__path__, "tradewind.janitor."):
    importlib.import_module(found.name)
import tradewind.component
"""


def python(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_every_module_of_the_janitor_imports():
    done = python(IMPORT_ALL)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["janitor", "sweep", "--help"]])
def test_the_console_script_answers(arguments):
    done = python(f"{IMPORT_ALL}\nfrom tradewind import program\nprogram.main({arguments!r})")
    assert done.returncode == 0
    assert "janitor" in done.stdout


def test_a_missing_requirement_names_the_extra():
    code = IMPORT_ALL.replace("import tradewind.janitor\n", "").partition("for found")[0]
    code = code.replace("'airflow',", "'airflow', 'msgspec',")
    call = "raise SystemExit(program.main(['janitor', 'sweep']))"
    done = python(f"{code}\nfrom tradewind import program\n{call}")
    assert done.returncode == 2
    assert "pip install 'airflow-tradewind[janitor]'" in done.stderr


def test_an_unknown_command_shows_the_known_ones():
    done = python("from tradewind import program\nraise SystemExit(program.main(['sweep']))")
    assert done.returncode == 2
    assert "janitor" in done.stderr
