{{/*
airflow.cfg: what the chart has to set, overlaid with the user's airflow.config. Holds no secret.
*/}}

{{/* Class names of the executors, separated by spaces. */}}
{{- define "tradewind.executor.names" -}}
{{- range $path := splitList "," .Values.executor.class }}{{ $path | splitList ":" | last | splitList "." | last }} {{ end -}}
{{- end -}}

{{/* "true" when all tasks run inside the scheduler, so that no pods are launched. */}}
{{- define "tradewind.executor.isLocal" -}}
{{- if eq (include "tradewind.executor.names" . | trim) "LocalExecutor" }}true{{ end -}}
{{- end -}}

{{/* "true" when some task may run inside the scheduler. */}}
{{- define "tradewind.executor.hasLocal" -}}
{{- if has "LocalExecutor" (include "tradewind.executor.names" . | trim | splitList " ") }}true{{ end -}}
{{- end -}}

{{/* The section in which the executor looks for its settings: ours falls back to upstream's. */}}
{{- define "tradewind.executor.section" -}}
{{- if has "KubernetesExecutor" (include "tradewind.executor.names" . | trim | splitList " ") -}}
kubernetes_executor
{{- else -}}
tradewind
{{- end -}}
{{- end -}}

{{/* The bundles in force: name -> {classpath, kwargs}, as JSON. */}}
{{- define "tradewind.config.bundleMap" -}}
{{- $bundles := dict -}}
{{- range $name, $bundle := .Values.airflow.dagBundles }}
{{- if $bundle }}{{ $_ := set $bundles $name $bundle }}{{ end -}}
{{- end }}
{{- if .Values.gitSync.enabled }}
{{- $path := printf "/opt/git/current/%s" .Values.gitSync.subPath | trimSuffix "/" -}}
{{- $_ := set $bundles "dags" (dict "classpath" "airflow.dag_processing.bundles.local.LocalDagBundle" "kwargs" (dict "path" $path)) -}}
{{- end }}
{{- toJson $bundles -}}
{{- end -}}

{{- define "tradewind.config.dagBundles" -}}
{{- $bundles := list -}}
{{- range $name, $bundle := include "tradewind.config.bundleMap" . | fromJson }}
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
  executor: {{ .Values.executor.class | quote }}
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
{{- if include "tradewind.loki.url" . }}
  # What parsing DAGs logs is output of the DAG processor then, which goes to Loki.
  dag_processor_log_target: stdout
{{- end }}
{{- include "tradewind.metrics.config" . }}
workers:
  # A flooded API server answers later than Airflow's five seconds, and every request that a task
  # gives up and sends again makes it later still: fifty starts at once took it nine.
  execution_api_timeout: "30"
scheduler:
  enable_health_check: "True"
{{- if not (include "tradewind.executor.isLocal" .) }}
{{ include "tradewind.executor.section" . }}:
  namespace: {{ .Release.Namespace | quote }}
{{- if eq (include "tradewind.executor.section" .) "tradewind" }}
  # The janitor knows the executor's pods by it. Also before there is one: pods of another name would
  # be nobody's when it comes.
  installation: {{ include "tradewind.janitor.installation" . }}
{{- end }}
  {{- if .Values.executor.namespaces }}
  multi_namespace_mode: "True"
  multi_namespace_mode_namespace_list: {{ include "tradewind.taskNamespaces" . | fromJsonArray | join "," }}
  {{- end }}
  pod_template_file: /etc/airflow/pod_template.yaml
{{- if eq (include "tradewind.executor.section" .) "kubernetes_executor" }}
  delete_worker_pods: "True"
{{- else }}
  {{- if .Values.apiServer.executionApi.separate }}
  # The API of tasks alone loads no plugins.
  boarding_url: {{ include "tradewind.boardingUrl" . }}
  {{- end }}
{{- range $option, $file := dict "profiles" "profiles" "queues" "queues" "priority_classes" "priorityClasses" "warm_pools" "warmPools" }}
{{- if get $.Values.executor $file }}
  {{ $option }}: /etc/airflow/{{ $option }}.yaml
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.airflow.webserverConfig }}
fab:
  config_file: /etc/airflow/webserver_config.py
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

{{/* Files of the configuration. Their hash is an annotation of every component's pod. */}}
{{- define "tradewind.config.data" -}}
airflow.cfg: |
  {{- include "tradewind.config.file" . | trim | nindent 2 }}
{{- with .Values.airflow.webserverConfig }}
webserver_config.py: |
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}
