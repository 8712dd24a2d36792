{{/*
Secrets that are generated once. What the cluster already holds wins, so an upgrade changes nothing;
`keep` leaves them behind at uninstall, together with the data they belong to.

dict "root" $ "component" "secrets" "name" "secrets" "data" (dict "<key>" "<plain text>")
*/}}
{{- define "tradewind.generatedSecret" -}}
{{- $name := printf "%s-%s" (include "tradewind.fullname" .root) .name -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace $name | default dict -}}
{{- $kept := $found.data | default dict -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "tradewind.metadata" . | nindent 2 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{- range $key, $value := .data }}
  {{ $key | quote }}: {{ get $kept $key | default ($value | b64enc) | quote }}
  {{- end }}
{{- end -}}
