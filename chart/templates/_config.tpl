{{/*
airflow.cfg: what the chart has to set, overlaid with the user's airflow.config. Holds no secret.
*/}}

{{/* "true" when tasks run inside the scheduler, so that no pods are launched. */}}
{{- define "tradewind.executor.isLocal" -}}
{{- if eq (.Values.executor.class | splitList "." | last) "LocalExecutor" }}true{{ end -}}
{{- end -}}

{{/* The section in which the executor looks for its settings. */}}
{{- define "tradewind.executor.section" -}}
{{- if eq (.Values.executor.class | splitList "." | last) "KubernetesExecutor" -}}
kubernetes_executor
{{- else -}}
tradewind
{{- end -}}
{{- end -}}

{{- define "tradewind.config.dagBundles" -}}
{{- $bundles := list -}}
{{- range $name, $bundle := .Values.airflow.dagBundles }}
{{- if $bundle }}
{{- $bundles = append $bundles (dict "name" $name "classpath" $bundle.classpath "kwargs" ($bundle.kwargs | default dict)) -}}
{{- end }}
{{- end }}
{{- toJson $bundles -}}
{{- end -}}

{{/* The whole configuration as YAML: section -> option -> text. */}}
{{- define "tradewind.config" -}}
{{- $config := include "tradewind.config.defaults" . | fromYaml -}}
{{- toYaml (mergeOverwrite $config (deepCopy .Values.airflow.config)) -}}
{{- end -}}

{{- define "tradewind.config.defaults" -}}
core:
  executor: {{ .Values.executor.class }}
  auth_manager: airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
  execution_api_server_url: {{ include "tradewind.executionApiUrl" . }}
  load_examples: "False"
api:
  # One process a replica: more replicas spread over nodes, more workers only load everything again.
  workers: "1"
api_auth:
  jwt_issuer: {{ include "tradewind.fullname" . }}
dag_processor:
  dag_bundle_config_list: {{ include "tradewind.config.dagBundles" . | quote }}
logging:
  base_log_folder: /tmp/logs
  # Does not follow base_log_folder, and a DAG processor that cannot write there ends.
  dag_processor_child_process_log_directory: /tmp/logs/dag_processor
scheduler:
  enable_health_check: "True"
{{- if not (include "tradewind.executor.isLocal" .) }}
{{ include "tradewind.executor.section" . }}:
  namespace: {{ .Release.Namespace }}
{{- if and (include "tradewind.janitor.enabled" .) (eq (include "tradewind.executor.section" .) "tradewind") }}
  # The janitor knows the executor's pods by it.
  installation: {{ include "tradewind.janitor.installation" . }}
{{- end }}
  pod_template_file: /etc/airflow/pod_template.yaml
{{- if eq (include "tradewind.executor.section" .) "kubernetes_executor" }}
  delete_worker_pods: "True"
{{- end }}
{{- end }}
{{- end -}}

{{/* airflow.cfg itself. */}}
{{- define "tradewind.config.file" -}}
{{- range $section, $options := include "tradewind.config" . | fromYaml -}}
[{{ $section }}]
{{- range $option, $value := $options }}
{{- if not (kindIs "invalid" $value) }}
{{ $option }} = {{ include "tradewind.text" $value | replace "\n" "\n  " }}
{{- end }}
{{- end }}

{{ end -}}
{{- end -}}
