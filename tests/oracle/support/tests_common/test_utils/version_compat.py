"""Flags by which upstream's tests tell Airflow versions apart."""

from airflow import __version__

_VERSION = tuple(int(part) for part in __version__.split(".")[:2])

AIRFLOW_V_3_0_PLUS = _VERSION >= (3, 0)
AIRFLOW_V_3_1_PLUS = _VERSION >= (3, 1)
AIRFLOW_V_3_2_PLUS = _VERSION >= (3, 2)
AIRFLOW_V_3_3_PLUS = _VERSION >= (3, 3)
AIRFLOW_V_3_4_PLUS = _VERSION >= (3, 4)
