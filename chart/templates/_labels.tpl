{{/*
Labels. Selectors are immutable, so they hold the three that never change; each helper takes
dict "root" $ "component" "<name>".
*/}}
{{- define "tradewind.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tradewind.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- with .bundle }}
tradewind/bundle: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* Of pods: no version, or every release would restart also what it does not change. */}}
{{- define "tradewind.podLabels" -}}
{{ include "tradewind.selectorLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Of objects. */}}
{{- define "tradewind.labels" -}}
{{ include "tradewind.podLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/*
name, namespace and labels of an object:
dict "root" $ "component" "<name>" ["name" "<suffix>"] ["namespace" "<of tasks>"]
*/}}
{{- define "tradewind.metadata" -}}
name: {{ include "tradewind.fullname" .root }}-{{ .name | default .component }}
namespace: {{ .namespace | default .root.Release.Namespace | quote }}
labels:
  {{- include "tradewind.labels" . | nindent 2 }}
{{- end -}}
