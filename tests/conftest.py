"""Shared by every tier: Airflow's home is a throw-away folder, never the developer's own."""

import os
import tempfile

_home = tempfile.mkdtemp(prefix="tradewind-tests-")
os.environ["AIRFLOW_HOME"] = _home
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__API_AUTH__JWT_SECRET"] = "only-for-tests-" + "0123456789" * 5
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_home}/airflow.db"
