"""Named like the distribution, for Airflow's search of example DAGs.

With `[core] load_examples` Airflow imports every provider by its distribution's name with dashes
turned into underscores, and logs a traceback when there is no such module. Delete this file when
apache/airflow#66305 is resolved.
"""
