{{/*
The Pod Security level "restricted" and a read-only root, everywhere and without a switch. A number
that is null in values is left out for the platform to choose.
*/}}
{{- define "tradewind.podSecurityContext" -}}
{{- range $key, $id := . }}
{{- if not (kindIs "invalid" $id) }}
{{- $key }}: {{ int64 $id }}
{{ end }}
{{- end -}}
fsGroupChangePolicy: OnRootMismatch
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tradewind.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}
