"""Whether this deployment can run tasks: `airflow tradewind doctor`.

`survey` asks, `checks` and `capacity` judge, `findings` is what they say. Nothing is changed.
"""
