"""The image installs our wheel without its dependencies, and these instead."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[4]
IMAGE = REPOSITORY / "images" / "janitor"
NOT_THE_JANITORS = {"apache-airflow", "fastapi", "kubernetes", "pyjwt"}
"""Of the executor and of the boarding endpoint, which live inside Airflow."""


def wanted(lines):
    bare = (line.partition("#")[0].strip() for line in lines)
    found = (re.match(r"([\w-]+)(.*)", line) for line in bare if line)
    return {match[1].lower(): match[2] for match in found}


def test_the_image_installs_what_the_distribution_asks_for_without_airflow():
    project = tomllib.loads((REPOSITORY / "executor" / "pyproject.toml").read_text())["project"]
    asked = wanted([*project["dependencies"], *project["optional-dependencies"]["janitor"]])
    listed = wanted((IMAGE / "requirements.in").read_text().splitlines())
    assert listed == {
        name: version for name, version in asked.items() if name not in NOT_THE_JANITORS
    }


def test_the_lock_holds_all_of_it_and_no_airflow():
    locked = set(
        re.findall(r"^([\w.-]+)==", (IMAGE / "requirements.txt").read_text(), re.MULTILINE)
    )
    listed = wanted((IMAGE / "requirements.in").read_text().splitlines())
    assert set(listed) <= locked
    assert not {name for name in locked if "airflow" in name or name == "kubernetes"}
