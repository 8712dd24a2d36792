{{/*
The janitor deletes task pods that nobody owns any more. It is there when a Secret says how it may
ask Airflow, for without Airflow's word it deletes nothing.
*/}}

{{/* "true" when the janitor runs. */}}
{{- define "tradewind.janitor.enabled" -}}
{{- if and .Values.janitor.airflowLogin.existingSecret (not (include "tradewind.executor.isLocal" .)) }}true{{ end -}}
{{- end -}}

{{/* Value of an option of the executor, as text: dict "root" $ "option" "name" "default" "text" */}}
{{- define "tradewind.janitor.option" -}}
{{- $own := .root.Values.airflow.config.tradewind | default dict -}}
{{- $upstream := .root.Values.airflow.config.kubernetes_executor | default dict -}}
{{- if hasKey $own .option }}{{ get $own .option }}
{{- else if hasKey $upstream .option }}{{ get $upstream .option }}
{{- else }}{{ .default }}{{ end -}}
{{- end -}}

{{/* What tells the pods of this Airflow from those of others: [tradewind] installation. */}}
{{- define "tradewind.janitor.installation" -}}
{{- $own := .Values.airflow.config.tradewind | default dict -}}
{{- $own.installation | default (printf "%s.%s" .Release.Namespace (include "tradewind.fullname" .) | trunc 63 | trimSuffix "-" | trimSuffix ".") -}}
{{- end -}}

{{- define "tradewind.janitor.env" -}}
{{- $values := .Values.janitor -}}
TRADEWIND_JANITOR_NAMESPACES: {{ .Release.Namespace }}
TRADEWIND_JANITOR_INSTALLATION: {{ include "tradewind.janitor.installation" . }}
TRADEWIND_JANITOR_AIRFLOW_URL: {{ include "tradewind.executionApiUrl" . | trimSuffix "/execution/" }}
TRADEWIND_JANITOR_AIRFLOW_USERNAME:
  {{- include "tradewind.env.secretKey" (dict "name" $values.airflowLogin.existingSecret "key" $values.airflowLogin.usernameKey) | nindent 2 }}
TRADEWIND_JANITOR_AIRFLOW_PASSWORD_FILE: /run/secrets/tradewind/airflow-login/password
TRADEWIND_JANITOR_LEASE_NAME: {{ include "tradewind.fullname" . }}-janitor
TRADEWIND_JANITOR_IDENTITY: {valueFrom: {fieldRef: {fieldPath: metadata.name}}}
TRADEWIND_JANITOR_DRY_RUN: {{ $values.dryRun }}
TRADEWIND_JANITOR_SWEEP_INTERVAL_S: {{ $values.sweepIntervalSeconds }}
TRADEWIND_JANITOR_MOST_DELETIONS: {{ $values.mostDeletions }}
{{- /* What the executor keeps for users, the janitor keeps too. */}}
TRADEWIND_JANITOR_KEEPS_ENDED: {{ include "tradewind.janitor.option" (dict "root" . "option" "delete_worker_pods" "default" "true") | lower | eq "false" }}
TRADEWIND_JANITOR_KEEPS_FAILED: {{ include "tradewind.janitor.option" (dict "root" . "option" "delete_worker_pods_on_failure" "default" "false") | lower | ne "true" }}
TRADEWIND_JANITOR_KEPT_TTL_S: {{ include "tradewind.janitor.option" (dict "root" . "option" "kept_pod_ttl" "default" "86400") | quote }}
{{- if ne (include "tradewind.executor.section" .) "tradewind" }}
TRADEWIND_JANITOR_REMOVED: executor
{{- end }}
{{- end -}}
