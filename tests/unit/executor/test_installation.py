"""Two Airflows in one namespace: neither touches the other's pods."""

import pytest

from tradewind.config import load
from tradewind.errors import ConfigError
from tradewind.testing.builders import DictConf


def installation(address="", name=""):
    values = {("database", "sql_alchemy_conn"): address, ("tradewind", "installation"): name}
    return load(DictConf(values)).installation


def test_it_is_where_the_database_is_and_a_new_password_changes_nothing():
    before = installation("postgresql://airflow:old@db.example/airflow")
    assert installation("postgresql://airflow:new@db.example/airflow") == before
    assert installation("postgresql://airflow:old@db.example/other") != before
    assert "old" not in before


def test_a_name_that_is_given_wins():
    assert installation("postgresql://db/airflow", "prod-eu") == "prod-eu"


@pytest.mark.parametrize("name", ["a b", "-a", "a" * 64, "ä"])
def test_a_name_that_is_no_label_is_refused(name):
    with pytest.raises(ConfigError, match=r"installation is .*at most 63 letters"):
        installation(name=name)


def test_without_a_database_there_is_none():
    assert installation() == ""
