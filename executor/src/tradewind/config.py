"""The `[tradewind]` section as `Settings`; its options are the table in `options`.

An option that is not set in `[tradewind]` is looked up in upstream's `[kubernetes_executor]`
section, so that a deployment moves over by changing `[core] executor` alone; what is set there and
not read is told by `unread`. Text is parsed here once; the rest of the code sees only `Settings`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind import call_options, contract
from tradewind.call_options import Keepalive
from tradewind.errors import ConfigError
from tradewind.option_texts import (
    FALLBACK_SECTION,
    SECTION,
    Conf,
    Texts,
    boolean,
    listed,
    number,
    one_of,
    set_text,
)
from tradewind.options.upstream import UNREAD

VERSION_ADDED = "0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, parsed. Times in seconds."""

    namespace: str
    """Namespace of task pods whose override names none."""
    watched_namespaces: tuple[str, ...]
    """Namespaces watched one by one; empty means cluster-wide, which needs a ClusterRole."""
    pod_template_file: str
    image: str
    """Replaces the template's image when not empty."""
    delete_pods: bool
    delete_failed_pods: bool
    in_cluster: bool
    config_file: str
    cluster_context: str
    verify_ssl: bool
    ssl_ca_cert: str
    client_factory: str
    """Import path of a function whose client says how to sign in; empty for the options above."""
    keepalive: Keepalive | None
    delete_options: Mapping[str, Any]
    """Fields of the `DeleteOptions` of every delete."""
    create_concurrency: int
    delete_concurrency: int
    connect_timeout_s: float
    request_timeout_s: float
    launch_budget_s: float
    """Wall-clock time after which a launch that only met retryable errors is given up."""
    relaunch_limit: int
    """How often a pod that ended before its task started is replaced, without using a retry."""
    watch_silence_s: float
    """A watch without any event for this long is presumed dead. The server sends bookmarks about
    once a minute, so this must stay above 60."""
    list_page_size: int
    adoption_wait_s: float
    running_log_lines: int
    profiles: str
    """JSON, or the path of a YAML file; as are `queues` and `priority_classes`. Read when used:
    constructing an executor opens no file."""
    queues: str
    priority_classes: str
    oom_memory_factor: float
    """Memory of a try is multiplied by this for each earlier try that was OOM killed; 1 is off."""
    oom_memory_cap: str
    running_limit: bool
    """Whether pods get `activeDeadlineSeconds` from the timeout of their workload."""
    running_limit_margin_s: float
    forbidden_override_fields: tuple[str, ...]
    """Dotted paths of a pod's fields that no `pod_override` may set."""
    user_code_timeout_s: float
    """How long one run of `pod_mutation_hook` may take."""
    max_pending_pods: int
    """Pods whose task's container was not started yet; 0 for no limit."""
    max_starting_pods: int
    """Pods that nothing but the node's speed keeps from running; 0 learns the limit."""
    reconcile_interval_s: float
    kept_pod_ttl_s: float
    """Counted from the pod's own end; 0 keeps pods forever."""
    pending_limits_s: Mapping[str, float]
    """By `pods.pending.PendingClass`, those that differ from the defaults there."""
    delivery: str
    """`auto`, `boarding` or `args`."""
    boarding_url: str
    """Complete address of the endpoint; empty where nothing tells it."""
    boarding_ca_file: str
    """Certificates to trust there beside the system's: Airflow's own `[api] ssl_cert`."""
    boarding_audience: str
    boarding_token_ttl_s: int
    boarding_hold_s: float
    boarding_timeout_s: float
    boarding_budget_s: float
    boarding_service_accounts: tuple[str, ...]
    """As `NAMESPACE:NAME`, `*` for any of either; empty for any of the watched namespaces."""
    boarding_verify: str
    """`jwks` or `token_review`."""
    workload_token_ttl_s: int
    warm_pools: str
    """JSON, or the path of a YAML file; see `dispatch.pool.spec`."""
    warm_max_age_s: float
    warm_starting_max: int
    installation: str
    """Value of the label `tradewind/installation`; empty without a database, as in tests."""


_LABEL = re.compile(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", re.ASCII)
_CREDENTIALS = re.compile(r"//[^@/]*@")
_ACCOUNT = re.compile(r"(\*|[a-z0-9-]+):(\*|[a-z0-9.-]+)", re.ASCII)
_DELIVERIES = ("auto", "boarding", "args")
_VERIFICATIONS = ("jwks", "token_review")


def load(conf: Conf, *, section: str = SECTION) -> Settings:
    """Return the settings that `conf` holds; what `section` leaves out stands in `[tradewind]`.

    Raises:
        ConfigError: a value is not of its option's kind or out of range.

    """
    text = Texts(conf, section=section)
    namespace = text["namespace"]
    bounds = call_options.timeouts(
        text["kube_client_request_args"], origin=text.origin("kube_client_request_args")
    )
    return Settings(
        namespace=namespace,
        watched_namespaces=_watched(text, namespace),
        pod_template_file=text["pod_template_file"],
        image=_image(text),
        delete_pods=boolean(text, "delete_worker_pods"),
        delete_failed_pods=boolean(text, "delete_worker_pods_on_failure"),
        in_cluster=boolean(text, "in_cluster"),
        config_file=text["config_file"],
        cluster_context=text["cluster_context"],
        verify_ssl=boolean(text, "verify_ssl"),
        ssl_ca_cert=text["ssl_ca_cert"],
        client_factory=_client_factory(text),
        keepalive=_keepalive(text),
        delete_options=call_options.deletion(
            text["delete_option_kwargs"], origin=text.origin("delete_option_kwargs")
        ),
        create_concurrency=number(text, "create_concurrency", int, least=1),
        delete_concurrency=number(text, "delete_concurrency", int, least=1),
        connect_timeout_s=bounds.connect_s,
        request_timeout_s=_request_timeout(text, bounds.request_s),
        launch_budget_s=number(text, "launch_budget", float, least=0),
        relaunch_limit=number(text, "relaunch_limit", int, least=0),
        watch_silence_s=number(text, "watch_silence", float, least=61),
        list_page_size=number(text, "list_page_size", int, least=1),
        adoption_wait_s=number(text, "adoption_wait", float, least=0),
        running_log_lines=number(text, "running_pod_log_lines", int, least=1),
        profiles=text["profiles"],
        queues=text["queues"],
        priority_classes=text["priority_classes"],
        oom_memory_factor=number(text, "oom_memory_factor", float, least=1),
        oom_memory_cap=text["oom_memory_cap"],
        running_limit=boolean(text, "running_limit"),
        running_limit_margin_s=number(text, "running_limit_margin", float, least=0),
        forbidden_override_fields=listed(text["forbidden_override_fields"]),
        user_code_timeout_s=number(text, "pod_mutation_hook_timeout", float, least=0.1),
        max_pending_pods=number(text, "max_pending_pods", int, least=0),
        max_starting_pods=number(text, "max_starting_pods", int, least=0),
        reconcile_interval_s=number(text, "reconcile_interval", float, least=1),
        kept_pod_ttl_s=number(text, "kept_pod_ttl", float, least=0),
        pending_limits_s=_limits(text, "pending_limits"),
        delivery=one_of(text, "delivery", _DELIVERIES),
        boarding_url=_boarding_url(text, conf),
        boarding_ca_file=set_text(conf, "api", "ssl_cert") or "",
        boarding_audience=text["boarding_audience"] or contract.AUDIENCE,
        boarding_token_ttl_s=number(text, "boarding_token_ttl", int, least=600),
        boarding_hold_s=number(text, "boarding_hold", float, least=1, most=50),
        boarding_timeout_s=number(text, "boarding_timeout", float, least=1),
        boarding_budget_s=number(text, "boarding_budget", float, least=1),
        boarding_service_accounts=_accounts(text, "boarding_service_accounts"),
        boarding_verify=one_of(text, "boarding_verify", _VERIFICATIONS),
        workload_token_ttl_s=number(text, "workload_token_ttl", int, least=10, most=120),
        warm_pools=text["warm_pools"],
        warm_max_age_s=number(text, "warm_max_age", float, least=60),
        warm_starting_max=number(text, "warm_starting_max", int, least=1),
        installation=_installation(text["installation"], conf),
    )


def unread(conf: Conf) -> list[str]:
    """Return a sentence for every option of upstream's section that is set and changes nothing."""
    said = []
    for option in UNREAD:
        value = set_text(conf, FALLBACK_SECTION, option.name)
        if value and value != option.default:
            said.append(f"[{FALLBACK_SECTION}] {option.name} is not read: {option.instead}")
    return said


def _watched(text: Texts, namespace: str) -> tuple[str, ...]:
    if not boolean(text, "multi_namespace_mode"):
        return (namespace,)
    names = listed(text["multi_namespace_mode_namespace_list"])
    return (*names, namespace) if names and namespace not in names else names


def _client_factory(text: Texts) -> str:
    path = text["client_factory"]
    if text["async_client_factory"] and not path:
        raise ConfigError(
            f"{text.origin('async_client_factory')} is set without client_factory, which signs "
            "in every call here: name the factory of the plain client there"
        )
    return path


def _keepalive(text: Texts) -> Keepalive | None:
    if not boolean(text, "enable_tcp_keepalive"):
        return None
    return Keepalive(
        idle_s=number(text, "tcp_keep_idle", int, least=1, most=32767),
        interval_s=number(text, "tcp_keep_intvl", int, least=1, most=32767),
        probes=number(text, "tcp_keep_cnt", int, least=1, most=127),
    )


def _request_timeout(text: Texts, of_client: float | None) -> float:
    own = number(text, "request_timeout", float, least=1)
    return own if of_client is None or text.is_set("request_timeout") else of_client


def _image(text: Texts) -> str:
    repository, tag = text["worker_container_repository"], text["worker_container_tag"]
    return f"{repository}:{tag}" if repository and tag else ""


def _installation(given: str, conf: Conf) -> str:
    """Return the name, or one made from where the database is: it stays when a password changes."""
    if given:
        if not _LABEL.fullmatch(given):
            raise ConfigError(
                f"[{SECTION}] installation is {given!r}: write at most 63 letters, digits, dots, "
                "dashes and underscores, with a letter or digit at both ends"
            )
        return given
    address = _CREDENTIALS.sub("//", set_text(conf, "database", "sql_alchemy_conn") or "")
    return hashlib.sha256(address.encode()).hexdigest()[:12] if address else ""


def _boarding_url(text: Texts, conf: Conf) -> str:
    """Return where pods board: beside the Execution API, which they reach anyway."""
    given = text["boarding_url"]
    if given and not given.startswith(("http://", "https://")):
        raise ConfigError(
            f"[{SECTION}] boarding_url is {given!r}: write the complete address, such as "
            f"http://api-server:8080{contract.URL_PREFIX}{contract.BOARD_PATH}"
        )
    api = set_text(conf, "core", "execution_api_server_url") or ""
    if given or not api:
        if not given and text["delivery"] == "boarding":
            raise ConfigError(
                f"[{SECTION}] delivery is 'boarding' and nothing tells where: set [core] "
                f"execution_api_server_url or [{SECTION}] boarding_url"
            )
        return given
    server = re.sub(r"/execution/?$", "", api).rstrip("/")
    return f"{server}{contract.URL_PREFIX}{contract.BOARD_PATH}"


def _limits(text: Texts, name: str) -> dict[str, float]:
    """Return `a=1, b=2.5` as a mapping; which names mean something is not known here."""
    found: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text[name].split(","))):
        key, _, value = (piece.strip() for piece in part.partition("="))
        try:
            found[key] = float(value)
        except ValueError as error:
            raise ConfigError(
                f"[{SECTION}] {name} has {part!r}: write NAME=SECONDS, separated by commas"
            ) from error
        if not 0 <= found[key] < float("inf"):
            raise ConfigError(f"[{SECTION}] {name} has {part!r}: the least value is 0")
    return found


def _accounts(text: Texts, name: str) -> tuple[str, ...]:
    found = listed(text[name])
    for account in found:
        if not _ACCOUNT.fullmatch(account):
            raise ConfigError(
                f"[{SECTION}] {name} has {account!r}: write NAMESPACE:NAME, where * stands for any"
            )
    return found
