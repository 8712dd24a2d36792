{{/*
One kind of API server: dict "root" $ "component" "api-server" "apps" "all" "values" … "resources" …
*/}}
{{- define "tradewind.apiServer.deployment" -}}
{{- $launches := not (include "tradewind.executor.isLocal" .root) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "tradewind.metadata" . | nindent 2 }}
spec:
  {{- if not (and .values.autoscaling .values.autoscaling.enabled) }}
  replicas: {{ int64 .values.replicas }}
  {{- end }}
  # The new one answers before the old one goes: tasks talk to this Service all the time.
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector:
    matchLabels:
      {{- include "tradewind.selectorLabels" . | nindent 6 }}
  template:
    {{- include "tradewind.component.pod" (merge (dict
          "args" (list "airflow" "api-server" "--apps" .apps)
          "secrets" (list "fernet" "api" "jwt" (ternary "loki-output" "loki-reader" (eq .apps "execution")))
          "ports" (dict "http" 8080)
          "token" (and $launches (ne .apps "execution"))
          "probes" (include "tradewind.apiServer.probes" .)
        ) .) | nindent 4 }}
{{- end -}}

{{/*
Not /monitor/health: it answers 200 whatever happens, and asks the database each time. The first call
to the execution API of a process takes seconds: the probe makes it, so that no task has to wait.
Where pods board, an API server is ready once it can hand them their workloads; for a minute at most,
so that Airflow's interface does not depend on the API of Kubernetes.
A pod leaves the Service some seconds after it was told to stop: until then it still answers.
*/}}
{{- define "tradewind.apiServer.probes" -}}
{{- $path := ternary "/api/v2/version" "/execution/health" (eq .apps "core") -}}
{{- $launches := not (include "tradewind.executor.isLocal" .root) -}}
{{- $ours := eq (include "tradewind.executor.section" .root) "tradewind" -}}
{{- $ready := ternary "/tradewind/v1/health" $path (and $launches $ours (ne .apps "execution")) -}}
startupProbe:
  httpGet: {path: {{ $path }}, port: http}
  periodSeconds: 2
  timeoutSeconds: 15
  failureThreshold: 150
readinessProbe:
  httpGet: {path: {{ $ready }}, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
livenessProbe:
  httpGet: {path: {{ $path }}, port: http}
  periodSeconds: 30
  timeoutSeconds: 10
  failureThreshold: 6
lifecycle:
  preStop: {sleep: {seconds: 5}}
{{- end }}

{{/* dict "root" $ "component" "api-server" "type" … "port" … ["nodePort" …] ["annotations" …] */}}
{{- define "tradewind.apiServer.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "tradewind.metadata" . | nindent 2 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .type | quote }}
  selector:
    {{- include "tradewind.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
      {{- with .nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- end -}}
