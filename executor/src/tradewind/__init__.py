"""Tradewind: every Apache Airflow task in its own Kubernetes pod.

Importing this package opens nothing and imports neither Airflow nor an HTTP library, so that the
command line and the janitor stay small. The executor is `tradewind.executor.TradewindExecutor`.
"""

__version__ = "0.1.0"
