{{/* A PodDisruptionBudget where there can be more than one: dict "root" "component" "values" */}}
{{- define "tradewind.podDisruptionBudget" -}}
{{- if and .values.podDisruptionBudget (include "tradewind.isReplicated" .values) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "tradewind.metadata" . | nindent 2 }}
spec:
  {{- /* Maps merge, so the default's maxUnavailable is still there beside a minAvailable. */}}
  {{- $budget := .values.podDisruptionBudget }}
  {{- toYaml (ternary (omit $budget "maxUnavailable") $budget (hasKey $budget "minAvailable")) | nindent 2 }}
  selector:
    matchLabels:
      {{- include "tradewind.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end -}}
