"""Names that moved between Airflow versions."""

from airflow.providers.standard.operators.bash import BashOperator

__all__ = ["BashOperator"]
