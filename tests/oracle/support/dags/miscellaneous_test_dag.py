"""A DAG of the name, the task and the number of tasks that upstream's test of the CLI expects."""

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("miscellaneous_test_dag", schedule=None):
    run_after_loop = EmptyOperator(task_id="run_after_loop")
    for number in range(5):
        EmptyOperator(task_id=f"step_{number}") >> run_after_loop
