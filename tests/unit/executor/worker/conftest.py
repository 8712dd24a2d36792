from worker_pod import a_task, airflow, dag_file, pod, token_file

__all__ = ["a_task", "airflow", "dag_file", "pod", "token_file"]
