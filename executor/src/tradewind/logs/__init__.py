"""Task logs in Loki: sent while the task runs, read back for the log view. Knows no Airflow.

Sending: `shipper` follows the log files that Airflow writes anyway, from `spool` to `batch` to
`client`; `push_policy` decides by Loki's answers. Reading: `query` says what to ask, `reader` asks
page by page. `identity` says which lines belong to one try, for both.
"""
