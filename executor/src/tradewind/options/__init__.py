"""The `[tradewind]` options: one table, read by `config` and published by the provider."""

from __future__ import annotations

from tradewind.options import calls, loki
from tradewind.options.option import Option

__all__ = ["OPTIONS", "Option"]

OPTIONS: tuple[Option, ...] = (
    Option(
        name="namespace",
        kind="string",
        default="default",
        fallback="namespace",
        description="Namespace in which task pods are created.",
    ),
    Option(
        name="multi_namespace_mode",
        kind="boolean",
        default="False",
        fallback="multi_namespace_mode",
        description="Let tasks choose their namespace; watches all of them unless a list is given.",
    ),
    Option(
        name="multi_namespace_mode_namespace_list",
        kind="string",
        default="",
        fallback="multi_namespace_mode_namespace_list",
        description="Comma-separated namespaces to watch, which avoids the need of a ClusterRole.",
    ),
    Option(
        name="pod_template_file",
        kind="string",
        default="",
        fallback="pod_template_file",
        description="Path of the YAML file with the pod every task pod starts from.",
    ),
    Option(
        name="worker_container_repository",
        kind="string",
        default="",
        fallback="worker_container_repository",
        description="Repository of the worker image; with the tag it replaces the template's.",
    ),
    Option(
        name="worker_container_tag",
        kind="string",
        default="",
        fallback="worker_container_tag",
        description="Tag of the worker image.",
    ),
    Option(
        name="delete_worker_pods",
        kind="boolean",
        default="True",
        fallback="delete_worker_pods",
        description="Delete pods when they have ended.",
    ),
    Option(
        name="delete_worker_pods_on_failure",
        kind="boolean",
        default="False",
        fallback="delete_worker_pods_on_failure",
        description="Delete failed pods too, instead of keeping them for inspection.",
    ),
    Option(
        name="in_cluster",
        kind="boolean",
        default="True",
        fallback="in_cluster",
        description="Use the ServiceAccount of the scheduler's pod; otherwise a kubeconfig.",
    ),
    Option(
        name="config_file",
        kind="string",
        default="",
        fallback="config_file",
        description="Path of the kubeconfig used when in_cluster is False.",
    ),
    Option(
        name="cluster_context",
        kind="string",
        default="",
        fallback="cluster_context",
        description="Context in the kubeconfig; empty uses its current one.",
    ),
    Option(
        name="verify_ssl",
        kind="boolean",
        default="True",
        fallback="verify_ssl",
        description="Verify the API server's certificate.",
    ),
    Option(
        name="ssl_ca_cert",
        kind="string",
        default="",
        fallback="ssl_ca_cert",
        description="Path of a CA bundle that replaces the one of the credentials.",
    ),
    Option(
        name="create_concurrency",
        kind="integer",
        default="64",
        fallback="pod_creation_max_concurrency",
        upstream_default="0",
        description="Most pod creations in flight at once, and claims of warm pods; fewer while "
        "the API server is slow or throttles.",
    ),
    Option(
        name="delete_concurrency",
        kind="integer",
        default="8",
        description="Pod deletions in flight at once.",
    ),
    Option(
        name="request_timeout",
        kind="float",
        default="30",
        description="Seconds after which one call to the API server is given up and judged again.",
    ),
    Option(
        name="launch_budget",
        kind="float",
        default="900",
        description="Seconds a launch is repeated on passing errors before its task fails.",
    ),
    Option(
        name="relaunch_limit",
        kind="integer",
        default="3",
        fallback="pod_launch_failure_retries",
        upstream_default="1",
        description="How often a pod that ended before its task began is replaced at no retry.",
    ),
    Option(
        name="watch_silence",
        kind="float",
        default="70",
        description="Seconds without an event or bookmark after which a watch is opened anew.",
    ),
    Option(
        name="list_page_size",
        kind="integer",
        default="500",
        description="Pods in one page of a list.",
    ),
    Option(
        name="adoption_wait",
        kind="float",
        default="5",
        description="Seconds adoption waits for the first list of pods before it trusts blindly.",
    ),
    Option(
        name="running_pod_log_lines",
        kind="integer",
        default="100",
        fallback="running_pod_log_lines",
        description="Last lines of a running task's log shown in the Airflow UI.",
    ),
    Option(
        name="profiles",
        kind="string",
        default="",
        description="Named pod shapes as JSON, or the path of a YAML file: docs/pod-templates.md.",
    ),
    Option(
        name="queues",
        kind="string",
        default="",
        description="Profile, namespace and pod_template_file of queues, as JSON or a YAML file.",
    ),
    Option(
        name="priority_classes",
        kind="string",
        default="",
        description="PriorityClass by least priority_weight, as JSON or the path of a YAML file.",
    ),
    Option(
        name="oom_memory_factor",
        kind="float",
        default="1",
        description="Multiply a try's memory by this for each earlier try that was OOM killed.",
    ),
    Option(
        name="oom_memory_cap",
        kind="string",
        default="",
        description="Most memory that oom_memory_factor raises a task to, such as 16Gi.",
    ),
    Option(
        name="running_limit",
        kind="boolean",
        default="True",
        description="Let Kubernetes end pods that outlive their task's execution_timeout.",
    ),
    Option(
        name="running_limit_margin",
        kind="float",
        default="1800",
        description="Seconds on top of it: for the start of the pod, its image included, and for "
        "what comes after the task.",
    ),
    Option(
        name="forbidden_override_fields",
        kind="string",
        default="",
        description="Comma-separated fields no pod_override may set, such as spec.hostNetwork.",
    ),
    Option(
        name="pod_mutation_hook_timeout",
        kind="float",
        default="30",
        description="Seconds one run of pod_mutation_hook may take before its task fails.",
    ),
    Option(
        name="max_pending_pods",
        kind="integer",
        default="0",
        description="Pods that may wait to be started at once; 0 sets no limit.",
    ),
    Option(
        name="max_starting_pods",
        kind="integer",
        default="0",
        description="Pods that may be starting at once, from create until their task begins; 0 "
        "adapts to how fast they start.",
    ),
    Option(
        name="reconcile_interval",
        kind="float",
        default="60",
        description="Seconds between two comparisons of launches, pods and task instances.",
    ),
    Option(
        name="kept_pod_ttl",
        kind="float",
        default="86400",
        description="Seconds after its end at which a pod that was kept is deleted; 0 never does.",
    ),
    Option(
        name="warm_pools",
        kind="string",
        default="",
        description='Pods kept ready for tasks, as JSON such as {"default": 3} or the path of a '
        "YAML file: docs/warm-pools.md.",
    ),
    Option(
        name="warm_max_age",
        kind="float",
        default="2700",
        description="Seconds after which an idle pod of a warm pool is replaced.",
    ),
    Option(
        name="warm_starting_max",
        kind="integer",
        default="4",
        description="Pods of warm pools that may be starting at once; tasks' own starts go first.",
    ),
    Option(
        name="installation",
        kind="string",
        default="",
        description="Name of this Airflow in its pods' labels, so that two may share a namespace; "
        "empty takes a hash of the metadata database's address.",
    ),
    Option(
        name="pending_limits",
        kind="string",
        default="",
        description="Seconds a pod may wait to start, by what it waits for, such as `image=600, "
        "unschedulable=0`; 0 sets no limit. Others keep image=300, config=120, volume=300, "
        "unschedulable=540, init=540, starting=540, scheduled_not_started=180.",
    ),
    Option(
        name="delivery",
        kind="string",
        default="auto",
        description="How pods get their workload: boarding, args, or auto, which boards where the "
        "endpoint answers and the image is the pod template's: docs/boarding.md.",
    ),
    Option(
        name="boarding_url",
        kind="string",
        default="",
        description="Complete address at which pods board; empty derives it from [core] "
        "execution_api_server_url.",
    ),
    Option(
        name="boarding_audience",
        kind="string",
        default="tradewind",
        description="Audience of the ServiceAccount token with which a pod boards.",
    ),
    Option(
        name="boarding_token_ttl",
        kind="integer",
        default="3600",
        description="Seconds that token lives; the kubelet renews it. Kubernetes takes no less "
        "than 600.",
    ),
    Option(
        name="boarding_hold",
        kind="float",
        default="25",
        description="Seconds the endpoint may hold the request of a pod that has no launch yet, "
        "give or take a fifth.",
    ),
    Option(
        name="boarding_timeout",
        kind="float",
        default="120",
        description="Seconds a running pod may take to fetch its workload before it is replaced, "
        "while the endpoint answers; ten more for each other pod that has not fetched its own.",
    ),
    Option(
        name="boarding_budget",
        kind="float",
        default="300",
        description="Seconds a pod made for one launch tries to board before it is replaced.",
    ),
    Option(
        name="boarding_service_accounts",
        kind="string",
        default="",
        description="Comma-separated ServiceAccounts, as NAMESPACE:NAME with * for any, whose pods "
        "may board. Empty takes any of the watched namespaces, and none at all where every "
        "namespace is watched.",
    ),
    Option(
        name="boarding_verify",
        kind="string",
        default="jwks",
        description="How a pod's token is verified: jwks checks it against the cluster's keys, "
        "token_review asks the API server, which needs a right on the whole cluster.",
    ),
    Option(
        name="workload_token_ttl",
        kind="integer",
        default="120",
        description="Seconds the token in a workload lives that a pod got by boarding; it has to "
        "reach Airflow once, as the task starts.",
    ),
    *calls.OPTIONS,
    *loki.OPTIONS,
)
