{{/*
Logs in Loki: what tasks and components need for it. Each helper writes nothing when there is no Loki.
*/}}

{{/* Where Loki is: the one that is named, or the release's own; empty without. */}}
{{- define "tradewind.loki.url" -}}
{{- if .Values.logs.loki.url }}{{ .Values.logs.loki.url }}
{{- else if .Values.loki.enabled -}}
http://{{ include "tradewind.fullname" . }}-loki
{{- if .Values.executor.namespaces }}.{{ .Release.Namespace }}{{ end -}}
:3100
{{- end -}}
{{- end -}}

{{/* "true" where pods send their own logs, and no collector does it for them. */}}
{{- define "tradewind.loki.sends" -}}
{{- if and (include "tradewind.loki.url" .) (not .Values.logs.loki.collector) }}true{{ end -}}
{{- end -}}

{{/* Of those who read logs of tasks: API servers. */}}
{{- define "tradewind.loki.reader" -}}
{{- with include "tradewind.loki.address" . -}}
AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS: tradewind.log_view.LOGGING_CONFIG
{{ . }}
{{- end -}}
{{- with .Values.logs.grafana -}}
{{- if .url }}
AIRFLOW__TRADEWIND__GRAFANA_URL: {{ .url | quote }}
AIRFLOW__TRADEWIND__GRAFANA_DATASOURCE: {{ .datasource | quote }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Of those who write them: tasks, triggerers, and schedulers in which tasks run. */}}
{{- define "tradewind.loki.writer" -}}
{{- if include "tradewind.loki.sends" . -}}
AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS: tradewind.log_view.LOGGING_CONFIG
{{ end -}}
{{ include "tradewind.loki.output" . }}
{{- end -}}

{{/* Of those who send what they print. A collector wants JSON lines, of tasks as of components. */}}
{{- define "tradewind.loki.output" -}}
{{- if include "tradewind.loki.sends" . }}
{{- include "tradewind.loki.address" . }}
{{- else if .Values.logs.loki.collector -}}
AIRFLOW__LOGGING__JSON_LOGS: "True"
{{- end -}}
{{- end -}}

{{/*
A component's command line: what it prints goes to Loki too. dict "root" $ "component" "args" (list …)
*/}}
{{- define "tradewind.loki.args" -}}
{{- if include "tradewind.loki.sends" .root -}}
{{- toJson (concat (list "python" "-m" "tradewind.component" .component) .args) -}}
{{- else -}}
{{- toJson .args -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.loki.address" -}}
{{- $loki := .Values.logs.loki -}}
{{- with include "tradewind.loki.url" . -}}
AIRFLOW__TRADEWIND__LOKI_URL: {{ . | quote }}
AIRFLOW__TRADEWIND__LOKI_FLUSH_TIMEOUT: {{ include "tradewind.text" $loki.flushTimeoutSeconds | quote }}
{{- with $loki.tenant }}
AIRFLOW__TRADEWIND__LOKI_TENANT: {{ . | quote }}
{{- end }}
{{- with $loki.environment }}
AIRFLOW__TRADEWIND__LOKI_ENVIRONMENT: {{ . | quote }}
{{- end }}
{{- with $loki.basicAuth }}
{{- if .existingSecret }}
AIRFLOW__TRADEWIND__LOKI_USERNAME:
  {{- include "tradewind.env.secretKey" (dict "name" .existingSecret "key" .usernameKey) | nindent 2 }}
AIRFLOW__TRADEWIND__LOKI_PASSWORD_FILE: /run/secrets/tradewind/loki/password
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "tradewind.loki.volumes" -}}
{{- $auth := .Values.logs.loki.basicAuth -}}
{{- if and .Values.logs.loki.url $auth.existingSecret }}
- name: loki
  secret:
    secretName: {{ $auth.existingSecret }}
    defaultMode: 0440
    items: [{key: {{ $auth.passwordKey }}, path: password}]
{{- end }}
{{- end -}}

{{- define "tradewind.loki.mounts" -}}
{{- if and .Values.logs.loki.url .Values.logs.loki.basicAuth.existingSecret }}
- {name: loki, mountPath: /run/secrets/tradewind/loki, readOnly: true}
{{- end }}
{{- end -}}

{{/* Its port, which the address may leave out. */}}
{{- define "tradewind.loki.port" -}}
{{- $address := urlParse .Values.logs.loki.url -}}
{{- $port := regexFind ":[0-9]+$" $address.host | trimPrefix ":" -}}
{{- $port | default (ternary "443" "80" (eq $address.scheme "https")) -}}
{{- end -}}

{{- define "tradewind.validate.loki" -}}
{{- $loki := .Values.logs.loki -}}
{{- if and $loki.collector (not (include "tradewind.loki.url" .)) -}}
{{- fail "logs.loki.collector is true, but the log view has no Loki to read what it sends: set logs.loki.url" -}}
{{- end -}}
{{- with .Values.logs.grafana -}}
{{- if ne (empty .url) (empty .datasource) -}}
{{- fail "logs.grafana.url and logs.grafana.datasource need each other: set both or none" -}}
{{- end -}}
{{- if and .url (not (include "tradewind.loki.url" $)) -}}
{{- fail "logs.grafana.url is set, but no Loki whose logs it could show: set logs.loki.url or loki.enabled" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.loki.enabled $loki.url -}}
{{- fail (printf "loki.enabled is true and logs.loki.url is %s: logs go to one Loki, drop one of them" $loki.url) -}}
{{- end -}}
{{- if and .Values.loki.enabled $loki.basicAuth.existingSecret -}}
{{- fail "logs.loki.basicAuth.existingSecret is set, and the Loki of loki.enabled asks for no password: empty it" -}}
{{- end -}}
{{- with include "tradewind.loki.url" . -}}
{{- if not (regexMatch "^https?://[^/]" .) -}}
{{- fail (printf "logs.loki.url is %s: write the complete address, such as http://loki.monitoring:3100" .) -}}
{{- end -}}
{{- $logging := $.Values.airflow.config.logging | default dict -}}
{{- with $logging.logging_config_class -}}
{{- fail (printf "logs in Loki need [logging] logging_config_class for themselves, and airflow.config.logging.logging_config_class is %s: drop one of them" .) -}}
{{- end -}}
{{- $grace := int $.Values.executor.podTemplate.terminationGracePeriodSeconds -}}
{{- if ge (int $loki.flushTimeoutSeconds) $grace -}}
{{- fail (printf "logs.loki.flushTimeoutSeconds is %d and executor.podTemplate.terminationGracePeriodSeconds %d: a pod needs more time to end than to send its log, raise the second" (int $loki.flushTimeoutSeconds) $grace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
