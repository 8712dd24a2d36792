{{/* A PodDisruptionBudget where there can be more than one: dict "root" "component" "values" */}}
{{- define "tradewind.podDisruptionBudget" -}}
{{- if and .values.podDisruptionBudget (include "tradewind.isReplicated" .values) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "tradewind.metadata" . | nindent 2 }}
spec:
  {{- toYaml .values.podDisruptionBudget | nindent 2 }}
  selector:
    matchLabels:
      {{- include "tradewind.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}
