{{/*
Logs of tasks in Loki: what API server, triggerer and tasks need for it. Each helper writes nothing
when logs.loki.url is empty.
*/}}
{{- define "tradewind.loki.env" -}}
{{- $loki := .Values.logs.loki -}}
{{- if $loki.url -}}
AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS: tradewind.log_view.LOGGING_CONFIG
AIRFLOW__TRADEWIND__LOKI_URL: {{ $loki.url | quote }}
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
{{- if $loki.url -}}
{{- if not (regexMatch "^https?://[^/]" $loki.url) -}}
{{- fail (printf "logs.loki.url is %s: write the complete address, such as http://loki.monitoring:3100" $loki.url) -}}
{{- end -}}
{{- $logging := .Values.airflow.config.logging | default dict -}}
{{- with $logging.logging_config_class -}}
{{- fail (printf "logs.loki.url needs [logging] logging_config_class for itself, and airflow.config.logging.logging_config_class is %s: drop one of them" .) -}}
{{- end -}}
{{- $grace := int .Values.executor.podTemplate.terminationGracePeriodSeconds -}}
{{- if ge (int $loki.flushTimeoutSeconds) $grace -}}
{{- fail (printf "logs.loki.flushTimeoutSeconds is %d and executor.podTemplate.terminationGracePeriodSeconds %d: a pod needs more time to end than to send its log, raise the second" (int $loki.flushTimeoutSeconds) $grace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
