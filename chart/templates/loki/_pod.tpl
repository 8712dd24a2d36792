{{- define "tradewind.loki.spec" -}}
{{- $values := .Values.loki -}}
{{- $context := dict "root" . "component" "loki" -}}
{{- include "tradewind.pod.account" $context | nindent 0 }}
{{- with include "tradewind.pod.placement" (dict "root" . "component" "loki" "values" (merge (dict "replicas" 1) $values)) }}
{{- . | nindent 0 }}
{{- end }}
terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "tradewind.podSecurityContext" .Values.podSecurity.loki | nindent 2 }}
containers:
  - name: loki
    image: {{ include "tradewind.image" (dict "root" . "image" $values.image) | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [-config.file=/etc/loki/loki.yaml]
    ports:
      - {name: http, containerPort: 3100}
    # After a crash it reads again what it had not written down yet.
    startupProbe:
      httpGet: {path: /ready, port: http}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 300
    readinessProbe:
      httpGet: {path: /ready, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
    # Not /ready, which fails while it leaves.
    livenessProbe:
      httpGet: {path: /loki/api/v1/status/buildinfo, port: http}
      periodSeconds: 30
      timeoutSeconds: 10
      failureThreshold: 6
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- include "tradewind.containerSecurityContext" . | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/loki}
      - {name: tmp, mountPath: /tmp}
      - {name: config, mountPath: /etc/loki, readOnly: true}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  - name: config
    configMap: {name: {{ include "tradewind.fullname" . }}-loki}
  {{- if not $values.storage.persistent }}
  - name: data
    emptyDir: {sizeLimit: {{ include "tradewind.text" $values.storage.size | quote }}}
  {{- end }}
{{- end -}}

{{/* Loki's configuration: one process, everything below /var/lib/loki, nobody told of its use. */}}
{{- define "tradewind.loki.config" -}}
auth_enabled: false
analytics: {reporting_enabled: false}
server:
  http_listen_port: 3100
  # Its parts talk to each other; nobody else does.
  grpc_listen_address: 127.0.0.1
  log_level: warn
common:
  instance_addr: 127.0.0.1
  path_prefix: /var/lib/loki
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
  storage:
    filesystem: {chunks_directory: /var/lib/loki/chunks, rules_directory: /var/lib/loki/rules}
ingester:
  # Nobody to hand over to: ready at once.
  lifecycler: {min_ready_duration: 0s, join_after: 0s}
  wal: {enabled: true, dir: /var/lib/loki/wal}
schema_config:
  configs:
    - from: "2024-01-01"
      store: tsdb
      object_store: filesystem
      schema: v13
      index: {prefix: index_, period: 24h}
compactor:
  working_directory: /var/lib/loki/compactor
  retention_enabled: true
  delete_request_store: filesystem
limits_config:
  allow_structured_metadata: true
  volume_enabled: true
  # One task may write faster than Loki's own 3 MB/s a stream.
  ingestion_rate_mb: 64
  ingestion_burst_size_mb: 128
  per_stream_rate_limit: 32MB
  per_stream_rate_limit_burst: 64MB
  # Shards bring one process nothing, and hide from writers what it refused of them.
  shard_streams: {enabled: false}
  retention_period: {{ mul .Values.loki.retentionDays 24 }}h
  {{- $streams := list }}
  {{- range $environment, $days := .Values.loki.retentionDaysByEnvironment }}
  {{- if $days }}
  {{- $streams = append $streams (dict "selector" (printf "{env=%q}" $environment) "priority" 1 "period" (printf "%dh" (mul $days 24))) }}
  {{- end }}
  {{- end }}
  {{- with $streams }}
  retention_stream:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "tradewind.loki.configFile" -}}
{{- toYaml (mergeOverwrite (include "tradewind.loki.config" . | fromYaml) (deepCopy .Values.loki.config)) -}}
{{- end -}}
