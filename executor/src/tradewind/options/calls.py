"""The options of calls to the API server that upstream has too: client, timeouts, keepalive."""

from __future__ import annotations

from tradewind.options.option import Option

OPTIONS: tuple[Option, ...] = (
    Option(
        name="client_factory",
        kind="string",
        default="",
        fallback="client_factory",
        description="Import path of a function that returns the kubernetes.client.CoreV1Api to "
        "sign in as; replaces in_cluster, the kubeconfig and the TLS options: docs/credentials.md.",
    ),
    Option(
        name="async_client_factory",
        kind="string",
        default="",
        fallback="async_client_factory",
        description="Upstream's second factory; with client_factory it has nothing to add, without "
        "it is refused.",
    ),
    Option(
        name="kube_client_request_args",
        kind="string",
        default="",
        fallback="kube_client_request_args",
        description='JSON such as {"_request_timeout": [10, 30]}: seconds to connect and to '
        "answer, where request_timeout is not set. No other argument is taken.",
    ),
    Option(
        name="delete_option_kwargs",
        kind="string",
        default="",
        fallback="delete_option_kwargs",
        description='How pods are deleted, as JSON such as {"grace_period_seconds": 10}; '
        "propagation_policy is the other one that is taken.",
    ),
    Option(
        name="enable_tcp_keepalive",
        kind="boolean",
        default="True",
        fallback="enable_tcp_keepalive",
        description="Let TCP probe connections to the API server on which nothing is said.",
    ),
    Option(
        name="tcp_keep_idle",
        kind="integer",
        default="30",
        fallback="tcp_keep_idle",
        upstream_default="120",
        description="Seconds of silence before the first probe.",
    ),
    Option(
        name="tcp_keep_intvl",
        kind="integer",
        default="10",
        fallback="tcp_keep_intvl",
        upstream_default="30",
        description="Seconds between probes.",
    ),
    Option(
        name="tcp_keep_cnt",
        kind="integer",
        default="3",
        fallback="tcp_keep_cnt",
        upstream_default="6",
        description="Probes without an answer that end the connection.",
    ),
)
