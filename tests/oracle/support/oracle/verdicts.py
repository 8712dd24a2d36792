"""What is known of upstream's tests when they run against Tradewind: one table a kind.

A test that no table names must pass. A pattern is a test's class and name, with the parameters in
brackets where they matter; `*` stands for anything. A pattern that names no test, or a test that
two entries name, stops the tier; an expected failure that passes, or fails by another error, fails
it. So the tables cannot rot. docs/compatibility-oracles.md says what the kinds mean.
"""

import fnmatch
from dataclasses import dataclass

from tradewind.errors import ConfigError


@dataclass(frozen=True)
class Verdict:
    """One reason and the tests of one file that it holds for."""

    file: str
    """Relative to the folder of upstream's tests."""
    reason: str
    patterns: tuple[str, ...]
    raises: type[BaseException] = AssertionError
    """What an expected failure ends with; another error is a failure of the adapter."""

    def names(self, test):
        """Return the patterns that name the test (class, name and parameters)."""
        return [pattern for pattern in self.patterns if _matches(test, pattern)]


def _matches(test, pattern):
    text = test if "[" in pattern else test.partition("[")[0]
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


POD_GENERATOR = "test_pod_generator.py"
HELPERS = "test_kubernetes_helper_functions.py"
RENDERING = "test_template_rendering.py"
DEFINITION = "cli/test_definition.py"
COMMAND = "cli/test_kubernetes_command.py"
EXECUTOR = "executors/test_kubernetes_executor.py"

FILES = (POD_GENERATOR, HELPERS, RENDERING, DEFINITION, COMMAND, EXECUTOR)

_SUFFIX = (
    "names end in a hash of the launch, so that a repeated create meets its own pod, "
    "instead of 8 random characters"
)
_ASCII = "letters outside ASCII are left out of names instead of being spelt in ASCII"
_NO_CONTAINER = "a template without a container is refused when it is read, with a sentence"

INTENDED = (
    Verdict(
        POD_GENERATOR,
        _SUFFIX,
        (
            "TestPodGenerator::test_ensure_max_identifier_length",
            "TestPodGenerator::test_pod_name_confirm_to_max_length",
            "TestPodGenerator::test_pod_name_is_valid",
        ),
    ),
    Verdict(
        POD_GENERATOR,
        "containers after the first are matched by name, not by position",
        ("TestPodGenerator::test_reconcile_containers",),
    ),
    Verdict(
        POD_GENERATOR,
        "a template file that is missing is refused with a sentence, not taken for an empty pod",
        ("TestPodGenerator::test_deserialize_non_existent_model_file",),
        raises=ConfigError,
    ),
    Verdict(
        POD_GENERATOR,
        "the one container of a template is named base as soon as it is read",
        ("TestPodGenerator::test_deserialize_model_file",),
    ),
    Verdict(
        POD_GENERATOR,
        "the legacy `KubernetesExecutor` dict is refused in a sentence that names the remedy",
        ("TestPodGenerator::test_from_obj_both",),
        raises=ConfigError,
    ),
    Verdict(
        HELPERS,
        _SUFFIX,
        (
            "TestCreateUniqueId::test_create_pod_id_dag_too_long_with_suffix",
            "TestCreateUniqueId::test_create_pod_id_dag_too_long_non_unique",
        ),
    ),
    Verdict(
        HELPERS,
        _ASCII,
        (
            "TestCreateUniqueId::test_create_pod_id_task_only[90A*b*]",
            "TestCreateUniqueId::test_create_pod_id_dag_only[90A*b*]",
            "TestCreateUniqueId::test_create_pod_id_dag_and_task[90A*b*]",
        ),
    ),
    Verdict(
        HELPERS,
        "the first wait is half a second, not a whole one; both double",
        ("TestWaitRetryAfterOrExponential::test_call_without_retry_after_header",),
    ),
    Verdict(
        RENDERING,
        "no template is refused with a sentence, not taken for an empty pod",
        ("test_render_k8s_pod_yaml",),
        raises=ConfigError,
    ),
    Verdict(
        RENDERING,
        _NO_CONTAINER,
        ("test_render_k8s_pod_yaml_with_custom_pod_template*",),
        raises=ConfigError,
    ),
    Verdict(
        EXECUTOR,
        "the error names section, option, value and least value",
        ("TestAirflowKubernetesScheduler::test_running_pod_log_lines_invalid_config",),
        raises=ConfigError,
    ),
    Verdict(
        EXECUTOR,
        "overrides are judged off the scheduler's thread: a bad one fails its task a moment later",
        ("TestKubernetesExecutor::test_process_workloads_invalid_executor_config_*",),
    ),
    Verdict(
        EXECUTOR,
        "the executor's own namespace is watched beside the listed ones",
        ("TestKubernetesExecutor::test_kube_config_get_namespace_list[true-A,B,C*",),
    ),
    Verdict(
        EXECUTOR,
        "commands stand in the provider's `cli` list, which Airflow reads without the executor",
        ("TestKubernetesExecutor::test_cli_commands_vended",),
    ),
    Verdict(
        EXECUTOR,
        "pods are not created in batches, so there is no size of a batch to set",
        ("TestKubernetesExecutorMultiTeam::test_multiple_team_executors_isolation",),
        raises=AttributeError,
    ),
)
"""Tests that fail against ours because ours does better on purpose."""

OPEN: tuple[Verdict, ...] = ()
"""Tests that fail against ours and ought to pass one day."""

NOT_APPLICABLE = (
    Verdict(
        POD_GENERATOR,
        "upstream's merging of model objects: ours merges plain manifests",
        (
            "TestPodGenerator::test_merge_objects*",
            "TestPodGenerator::test_extend_object_field*",
        ),
    ),
    Verdict(
        POD_GENERATOR,
        "pods cross no process border, so they need not be pickled",
        ("TestPodGenerator::test_deserialize_model_dict_is_picklable_in_cluster",),
    ),
    Verdict(
        POD_GENERATOR,
        "arguments of upstream's constructor, which ours has not",
        ("TestPodGenerator::test_validate_pod_generator",),
    ),
    Verdict(
        HELPERS,
        "names have one greatest length, 63",
        ("TestCreateUniqueId::test_create_pod_id",),
    ),
    Verdict(
        RENDERING,
        "core's table of rendered pods, which no executor writes in Airflow 3",
        ("test_get_k8s_pod_yaml", "test_get_rendered_k8s_spec"),
    ),
    Verdict(
        COMMAND,
        "a helper inside upstream's command, which the executor has no part in",
        (
            "TestGetPodCompletionTime::*",
            "TestCleanUpPodsCommand::test_delete_pod",
        ),
    ),
    Verdict(
        EXECUTOR,
        "keys of Airflow 3.4: upstream skips these below it",
        ("TestKubernetesExecutorUuid::*",),
    ),
    Verdict(
        EXECUTOR,
        "an attribute of executors before Airflow 3.2",
        ("TestKubernetesExecutor::test_supports_sentry",),
    ),
    Verdict(
        EXECUTOR,
        "reading the template, inside upstream: ours is in tests/unit/executor/pods",
        ("TestAirflowKubernetesScheduler::test_get_base_pod_from_template",),
    ),
    Verdict(
        EXECUTOR,
        "a label with the logical date, which no executor writes since Airflow 3.0",
        ("TestAirflowKubernetesScheduler::test_execution_date_serialize_deserialize",),
    ),
    Verdict(
        EXECUTOR,
        "calls and metrics of upstream's scheduler object: ours are in tests/unit/executor",
        (
            "TestAirflowKubernetesScheduler::test_*_pod_*emits_metrics_*",
            "TestAirflowKubernetesScheduler::test_delete_pod_successfully",
            "TestAirflowKubernetesScheduler::test_delete_pod_raises_404",
            "TestAirflowKubernetesScheduler::test_delete_pod_404_not_raised",
        ),
    ),
    Verdict(
        EXECUTOR,
        "upstream's queue of pods to create: ours is in tests/unit/executor/dispatch",
        (
            "TestKubernetesExecutor::test_run_next_*",
            "TestKubernetesExecutor::test_async_pod_creation_*",
            "TestKubernetesExecutor::test_skip_pod_creation_on_create_pods_after",
            "TestKubernetesExecutor::test_sync_drops_stale_execute_task_workload_*",
            "TestKubernetesExecutor::test_concurrent_path_*",
            "TestKubernetesExecutor::test_execute_async_retains_job_spec",
            "TestKubernetesExecutor::test_process_workloads",
            "TestKubernetesExecutor::test_invalid_executor_config",
            "TestKubernetesExecutor::test_pod_template_file_override_in_executor_config",
            "TestKubernetesExecutorMultiTeam::test_task_publish_max_retries_uses_team_conf",
        ),
    ),
    Verdict(
        EXECUTOR,
        "a coordinator on its way through upstream's queue: ours is in tests/unit/executor",
        ("TestKubernetesExecutor::test_coordinator_*",),
    ),
    Verdict(
        EXECUTOR,
        "upstream's queue of ended pods: ours is in tests/unit/executor/dispatch",
        (
            "TestKubernetesExecutor::test_change_state_*",
            "TestKubernetesExecutor::test_is_pre_execution_failure",
            "TestKubernetesExecutor::test_sync_processes_completed_pods_once*",
        ),
    ),
    Verdict(
        EXECUTOR,
        "adoption by labels and patches: ours goes by launch id, see tests/integration",
        (
            "TestKubernetesExecutor::test_*adopt_*",
            "TestKubernetesExecutor::test_alive_other_scheduler_job_ids_*",
        ),
    ),
    Verdict(
        EXECUTOR,
        "counts upstream's own patch and delete calls: ours is in tests/integration",
        ("TestKubernetesExecutor::test_revoke_task",),
    ),
    Verdict(
        EXECUTOR,
        "an executor method that Airflow 3 does not call",
        ("TestKubernetesExecutor::test_cleanup_stuck_queued_tasks",),
    ),
    Verdict(
        EXECUTOR,
        "mocks upstream's client: live logs of ours are in tests/integration",
        (
            "TestKubernetesExecutor::test_get_task_log",
            "TestKubernetesExecutor::test_get_streaming_task_log",
        ),
    ),
    Verdict(
        EXECUTOR,
        "upstream's log lines about annotations, which ours does not write",
        ("TestKubernetesExecutor::test_annotations_for_logging_task_metadata*",),
    ),
    Verdict(
        EXECUTOR,
        "upstream's watch and its processes: ours is in tests/unit/executor/watch",
        (
            "TestKubernetesJobWatcher::*",
            "TestKubernetesExecutor::test_resource_version_singleton",
            "TestKubernetesExecutor::test_watchers_under_multi_namespace_mode",
        ),
    ),
    Verdict(
        EXECUTOR,
        "upstream's settings object or a private method",
        (
            "TestKubernetesExecutorMultiTeam::test_kube_config_fallback_to_global_conf",
            "TestKubernetesExecutorMultiTeam::test_executor_conf_passed_to_kube_config",
            "TestKubernetesExecutorMultiTeam::test_get_pod_namespace_uses_instance_conf",
        ),
    ),
    Verdict(
        EXECUTOR,
        "factories of Kubernetes client objects, which Tradewind does not use",
        ("TestClientFactoryCallSites::*", "TestAsyncClientFactoryValidation::*"),
    ),
)
"""Tests of upstream's insides that have no counterpart in ours; they are not run against it."""
