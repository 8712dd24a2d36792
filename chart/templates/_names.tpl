{{/*
Names of everything. Object names stay below 63 characters: 42 for the prefix, the rest for the
component and the hash of the migration Job.
*/}}
{{- define "tradewind.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 42 | trimSuffix "-" -}}
{{- end -}}

{{- define "tradewind.fullname" -}}
{{- $name := include "tradewind.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 42 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 42 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 42 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* <image>: dict "root" $ "image" .Values.image */}}
{{- define "tradewind.image" -}}
{{- with .image.registry }}{{ . }}/{{ end -}}
{{- .image.repository }}{{ with .image.digest }}@{{ . }}{{ else }}:{{ .image.tag | default $.root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* Where a key of the installation lives: dict "root" $ "secret" .Values.secrets.fernetKey */}}
{{- define "tradewind.secrets.name" -}}
{{- .secret.existingSecret | default (printf "%s-secrets" (include "tradewind.fullname" .root)) -}}
{{- end -}}

{{- define "tradewind.adminUser.secretName" -}}
{{- .Values.adminUser.existingSecret | default (printf "%s-admin" (include "tradewind.fullname" .)) -}}
{{- end -}}

{{- define "tradewind.postgresql.secretName" -}}
{{- .Values.postgresql.existingSecret | default (printf "%s-postgresql" (include "tradewind.fullname" .)) -}}
{{- end -}}

{{/*
Host and port of a Service as task pods reach it: dict "root" $ "component" "api-server". Beyond the
release's own namespace the short name leads nowhere.
*/}}
{{- define "tradewind.serviceAddress" -}}
{{ include "tradewind.fullname" .root }}-{{ .component }}
{{- if .root.Values.executor.namespaces }}.{{ .root.Release.Namespace }}{{ end -}}
:{{ .root.Values.apiServer.service.port }}
{{- end -}}

{{- define "tradewind.executionApiUrl" -}}
{{- $component := ternary "execution-api" "api-server" .Values.apiServer.executionApi.separate -}}
http://{{ include "tradewind.serviceAddress" (dict "root" . "component" $component) }}/execution/
{{- end -}}

{{- define "tradewind.boardingUrl" -}}
http://{{ include "tradewind.serviceAddress" (dict "root" . "component" "api-server") }}/tradewind/v1/board
{{- end -}}

{{/* "true" where task pods fetch their workload from the API server. */}}
{{- define "tradewind.boards" -}}
{{- if and (not (include "tradewind.executor.isLocal" .)) (eq (include "tradewind.executor.section" .) "tradewind") }}true{{ end -}}
{{- end -}}

{{/* Every namespace in which tasks may run, as JSON: the release's own first. */}}
{{- define "tradewind.taskNamespaces" -}}
{{- toJson (prepend (without .Values.executor.namespaces .Release.Namespace) .Release.Namespace) -}}
{{- end -}}

{{/* "true" when the chart runs the database. */}}
{{- define "tradewind.postgresql.enabled" -}}
{{- if not (include "tradewind.database.isExternal" .) }}true{{ end -}}
{{- end -}}

{{/* "true" when somebody else runs the database. */}}
{{- define "tradewind.database.isExternal" -}}
{{- if or .Values.database.external.host .Values.database.external.uriKey }}true{{ end -}}
{{- end -}}
