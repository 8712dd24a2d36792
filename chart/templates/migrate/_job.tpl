{{/*
The migration Job's spec. Its hash is the Job's name: a Job cannot be changed, so another spec is
another Job, and the same spec is not run again.
*/}}
{{- define "tradewind.migrate.spec" -}}
{{- $values := .Values.migrations -}}
{{- $args := list "python" "/opt/tradewind/bin/migrate.py" (printf "--timeout-seconds=%d" (int $values.waitTimeoutSeconds)) -}}
{{- $env := merge (include "tradewind.migrate.adminUser" . | fromYaml) (include "tradewind.migrate.janitorUser" . | fromYaml) -}}
backoffLimit: {{ int64 $values.backoffLimit }}
template:
  {{- include "tradewind.once.pod" (dict "root" . "component" "migrate" "values" $values "args" $args "env" $env "direct" true) | nindent 2 }}
{{- end -}}

{{- define "tradewind.migrate.adminUser" -}}
{{- if .Values.adminUser.enabled }}
{{- $name := include "tradewind.adminUser.secretName" . }}
TRADEWIND_ADMIN_USERNAME:
  {{- include "tradewind.env.secretKey" (dict "name" $name "key" .Values.adminUser.usernameKey) | nindent 2 }}
TRADEWIND_ADMIN_PASSWORD:
  {{- include "tradewind.env.secretKey" (dict "name" $name "key" .Values.adminUser.passwordKey) | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tradewind.migrate.janitorUser" -}}
{{- $login := .Values.janitor.airflowLogin -}}
{{- if and (include "tradewind.janitor.enabled" .) $login.create }}
{{- $name := include "tradewind.janitor.secretName" . }}
TRADEWIND_JANITOR_USERNAME:
  {{- include "tradewind.env.secretKey" (dict "name" $name "key" $login.usernameKey) | nindent 2 }}
TRADEWIND_JANITOR_PASSWORD:
  {{- include "tradewind.env.secretKey" (dict "name" $name "key" $login.passwordKey) | nindent 2 }}
{{- end }}
{{- end -}}
