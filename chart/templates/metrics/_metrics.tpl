{{/*
Metrics: Airflow, executor and tasks send to a StatsD exporter, Prometheus reads there and at the
janitor. Everything here is empty unless metrics.enabled.
*/}}

{{/* Section [metrics] of airflow.cfg. */}}
{{- define "tradewind.metrics.config" -}}
{{- if .Values.metrics.enabled }}
metrics:
  statsd_on: "True"
  statsd_host: {{ include "tradewind.fullname" . }}-metrics{{ if .Values.executor.namespaces }}.{{ .Release.Namespace }}{{ end }}
  statsd_port: "9125"
  # Components replace it by the name of their pod.
  statsd_prefix: task
  # Tags; without them names would hold DAG and task.
  statsd_influxdb_enabled: "True"
  legacy_names_on: "False"
{{- end }}
{{- end -}}

{{/* Components that send, each by its pods' names. */}}
{{- define "tradewind.metrics.senders" -}}
{{- $senders := list "api-server" "scheduler" "dag-processor" -}}
{{- if .Values.triggerer.enabled }}{{ $senders = append $senders "triggerer" }}{{ end -}}
{{- if .Values.apiServer.executionApi.separate }}{{ $senders = append $senders "execution-api" }}{{ end -}}
{{- if not (include "tradewind.executor.isLocal" .) }}{{ $senders = append $senders "task" }}{{ end -}}
{{- toJson $senders -}}
{{- end -}}

{{/* Who may read metrics, as a rule's peers: nothing for everybody. dict "root" "port" */}}
{{- define "tradewind.metrics.readers" -}}
- ports: [{protocol: TCP, port: {{ .port }}}]
  {{- with .root.Values.networkPolicy.metricsFrom }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tradewind.metrics.spec" -}}
{{- $root := .root -}}
{{ include "tradewind.pod.account" . }}
{{- with include "tradewind.pod.placement" . }}
{{ . }}
{{- end }}
terminationGracePeriodSeconds: 10
securityContext:
  {{- include "tradewind.podSecurityContext" $root.Values.podSecurity.metrics | nindent 2 }}
containers:
  - name: metrics
    image: {{ include "tradewind.image" (dict "root" $root "image" .values.image) | quote }}
    imagePullPolicy: {{ .values.image.pullPolicy }}
    args:
      - --statsd.mapping-config=/etc/statsd-exporter/mapping.yaml
      - --statsd.listen-tcp=
      - --web.listen-address=:9102
    ports:
      - {name: statsd, containerPort: 9125, protocol: UDP}
      - {name: http, containerPort: 9102}
    readinessProbe:
      httpGet: {path: /-/ready, port: http}
      periodSeconds: 10
    livenessProbe:
      httpGet: {path: /-/healthy, port: http}
      periodSeconds: 30
      timeoutSeconds: 5
      failureThreshold: 3
    resources:
      {{- toYaml .values.resources | nindent 6 }}
    securityContext:
      {{- include "tradewind.containerSecurityContext" $root | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: config, mountPath: /etc/statsd-exporter, readOnly: true}
volumes:
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 16Mi}
  - name: config
    configMap: {name: {{ include "tradewind.fullname" $root }}-metrics}
{{- end -}}

{{- define "tradewind.validate.metrics" -}}
{{- $metrics := .Values.metrics -}}
{{- range $option := list "statsd_on" "statsd_host" "statsd_port" "statsd_prefix" "statsd_influxdb_enabled" -}}
{{- if and $metrics.enabled (hasKey ($.Values.airflow.config.metrics | default dict) $option) -}}
{{- fail (printf "airflow.config.metrics.%s is set by metrics.enabled, for the exporter of the chart: drop one of them" $option) -}}
{{- end -}}
{{- end -}}
{{- range $object := list "serviceMonitor" "prometheusRule" -}}
{{- if and (get $metrics $object).enabled (not $metrics.enabled) -}}
{{- fail (printf "metrics.%s.enabled is true, but nothing sends metrics: set metrics.enabled to true" $object) -}}
{{- end -}}
{{- end -}}
{{- end -}}
