"""Options of task logs in Loki."""

from __future__ import annotations

from tradewind.options.option import Option

OPTIONS: tuple[Option, ...] = (
    Option(
        name="loki_url",
        kind="string",
        default="",
        description="Address of the Loki that stores the logs of tasks, such as "
        "http://loki:3100; empty leaves logs to Airflow.",
    ),
    Option(
        name="loki_tenant",
        kind="string",
        default="",
        description="Tenant that Loki is told, where it serves several.",
    ),
    Option(
        name="loki_username",
        kind="string",
        default="",
        description="User name for Loki's basic authentication; needs loki_password_file.",
    ),
    Option(
        name="loki_password_file",
        kind="string",
        default="",
        description="Path of a file with the password; read again when Loki refuses it.",
    ),
    Option(
        name="loki_ca_file",
        kind="string",
        default="",
        description="Path of certificates to trust for Loki instead of the well-known ones.",
    ),
    Option(
        name="loki_environment",
        kind="string",
        default="",
        description="Value of the label env, by which Loki keeps logs of environments apart.",
    ),
    Option(
        name="loki_flush_timeout",
        kind="float",
        default="20",
        description="Seconds for which the pod of an ended task goes on sending its log; less than "
        "the pod's terminationGracePeriodSeconds.",
    ),
    Option(
        name="grafana_url",
        kind="string",
        default="",
        description="Address of a Grafana: the log view links each log that it reads from Loki to "
        "it; needs grafana_datasource.",
    ),
    Option(
        name="grafana_datasource",
        kind="string",
        default="",
        description="The uid of that Loki among Grafana's data sources.",
    ),
)
