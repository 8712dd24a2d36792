"""Pull request checks install neither Airflow nor what only the executor needs."""

import subprocess
import sys

MISSING = "airflow", "kubernetes", "sqlalchemy", "aiohttp", "msgspec", "fastapi", "jwt", "kopf"
CODE = f"""
import importlib, pkgutil, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import tradewind.promotion
for found in pkgutil.walk_packages(tradewind.promotion.__path__, "tradewind.promotion."):
    importlib.import_module(found.name)
from tradewind import program
raise SystemExit(program.main(["promote", "--help"]))
"""


def test_every_module_of_promotion_imports_and_the_command_answers():
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--override-soak" in done.stdout
