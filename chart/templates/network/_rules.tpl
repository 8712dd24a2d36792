{{/*
What each component may be asked and may ask, as YAML: ingress and egress of a NetworkPolicy. What is
not written here is denied. Peers are pods of this release; `task` is in every namespace of tasks.
*/}}

{{/* A peer: dict "root" "component" */}}
{{- define "tradewind.network.peer" -}}
- podSelector:
    matchLabels:
      {{- include "tradewind.selectorLabels" . | nindent 6 }}
{{- if and (eq .component "task") .root.Values.executor.namespaces }}
  namespaceSelector:
    matchExpressions:
      - {key: kubernetes.io/metadata.name, operator: In, values: {{ include "tradewind.taskNamespaces" .root }}}
{{- else if and .away .root.Values.executor.namespaces }}
  namespaceSelector:
    matchLabels: {kubernetes.io/metadata.name: {{ .root.Release.Namespace | quote }}}
{{- end }}
{{- end -}}

{{/* One rule: dict "root" "side" "from" or "to", "components" (list …) "port" ["protocol" "UDP"] */}}
{{- define "tradewind.network.rule" -}}
- {{ .side }}:
    {{- range $component := .components }}
    {{- include "tradewind.network.peer" (dict "root" $.root "component" $component "away" $.away) | nindent 4 }}
    {{- end }}
  ports: [{protocol: {{ .protocol | default "TCP" }}, port: {{ .port }}}]
{{- end -}}

{{/* Addresses: dict "cidrs" (list …) "ports" (list …) */}}
{{- define "tradewind.network.addresses" -}}
- to:
    {{- range .cidrs }}
    - ipBlock: {cidr: {{ . | quote }}}
    {{- end }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}

{{- define "tradewind.network.dns" -}}
- ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
{{- end -}}

{{- define "tradewind.network.kubernetesApi" -}}
{{- include "tradewind.network.addresses" .Values.networkPolicy.kubernetesApi -}}
{{- end -}}

{{/* The internet without private networks, and without the metadata service of clouds. */}}
{{- define "tradewind.network.public" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]
{{- end -}}

{{/* The database as a client reaches it: dict "root" ["direct" true] */}}
{{- define "tradewind.network.database" -}}
{{- $root := .root -}}
{{- if and $root.Values.pgbouncer.enabled (not .direct) -}}
{{- include "tradewind.network.rule" (dict "root" $root "side" "to" "components" (list "pgbouncer") "port" 6432) -}}
{{- else if include "tradewind.postgresql.enabled" $root -}}
{{- include "tradewind.network.rule" (dict "root" $root "side" "to" "components" (list "postgresql") "port" 5432) -}}
{{- else -}}
{{- include "tradewind.network.addresses" (dict "cidrs" $root.Values.networkPolicy.databaseCidrs "ports" (list $root.Values.database.external.port)) -}}
{{- end -}}
{{- end -}}

{{/* Components that write or read logs in Loki, as JSON. */}}
{{- define "tradewind.network.lokiClients" -}}
{{- $clients := list -}}
{{- if include "tradewind.loki.url" . -}}
{{- $clients = list "api-server" -}}
{{- end -}}
{{- if include "tradewind.loki.sends" . -}}
{{- $clients = concat $clients (list "scheduler" "dag-processor") -}}
{{- if .Values.apiServer.executionApi.separate }}{{ $clients = append $clients "execution-api" }}{{ end -}}
{{- if include "tradewind.janitor.enabled" . }}{{ $clients = append $clients "janitor" }}{{ end -}}
{{- if .Values.triggerer.enabled }}{{ $clients = append $clients "triggerer" }}{{ end -}}
{{- if not (include "tradewind.executor.isLocal" .) }}{{ $clients = append $clients "task" }}{{ end -}}
{{- end -}}
{{- toJson $clients -}}
{{- end -}}

{{- define "tradewind.network.loki" -}}
{{- if has .component (include "tradewind.network.lokiClients" .root | fromJsonArray) }}
{{- if .root.Values.loki.enabled }}
{{ include "tradewind.network.rule" (dict "root" .root "side" "to" "components" (list "loki") "port" 3100 "away" (eq .component "task")) }}
{{- else }}
{{ include "tradewind.network.addresses" (dict "cidrs" .root.Values.networkPolicy.lokiCidrs "ports" (list (include "tradewind.loki.port" .root))) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Components that ask the database. */}}
{{- define "tradewind.network.clients" -}}
{{- $clients := list "api-server" "scheduler" "dag-processor" -}}
{{- if .Values.triggerer.enabled }}{{ $clients = append $clients "triggerer" }}{{ end -}}
{{- if .Values.apiServer.executionApi.separate }}{{ $clients = append $clients "execution-api" }}{{ end -}}
{{- if include "tradewind.bootstrap.enabled" . }}{{ $clients = append $clients "bootstrap" }}{{ end -}}
{{- if .Values.dbCleanup.enabled }}{{ $clients = append $clients "db-cleanup" }}{{ end -}}
{{- toJson $clients -}}
{{- end -}}

{{- define "tradewind.network.policies" -}}
{{- $public := .Values.networkPolicy.publicEgress -}}
{{- $launches := not (include "tradewind.executor.isLocal" .) -}}
{{- $local := include "tradewind.executor.hasLocal" . -}}
{{- $operator := .Values.executor.podOperator.enabled -}}
{{- $servers := ternary (list "api-server" "execution-api") (list "api-server") .Values.apiServer.executionApi.separate -}}
{{- $callers := list "test" -}}
{{- if $launches }}{{ $callers = append $callers "task" }}{{ end -}}
{{- if $local }}{{ $callers = append $callers "scheduler" }}{{ end -}}
{{- $boards := include "tradewind.boards" . -}}
{{- $clients := include "tradewind.network.clients" . | fromJsonArray -}}
api-server:
  ingress:
    {{- if .Values.networkPolicy.apiServerFrom }}
    {{- $visitors := ternary (append $callers "scheduler" | uniq) $callers (ne $boards "") }}
    {{- if include "tradewind.janitor.enabled" . }}{{ $visitors = append $visitors "janitor" }}{{ end }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" $visitors "port" 8080) | nindent 4 }}
    - from:
        {{- toYaml .Values.networkPolicy.apiServerFrom | nindent 8 }}
      ports: [{protocol: TCP, port: 8080}]
    {{- else }}
    - ports: [{protocol: TCP, port: 8080}]
    {{- end }}
  egress:
    {{- if $launches }}
    {{- include "tradewind.network.kubernetesApi" . | nindent 4 }}
    {{- end }}
    {{- if .Values.triggerer.enabled }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" (list "triggerer") "port" 8794) | nindent 4 }}
    {{- end }}
    {{- if $local }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" (list "scheduler") "port" 8793) | nindent 4 }}
    {{- end }}
    {{- if $public.apiServer }}
    {{- include "tradewind.network.public" . | nindent 4 }}
    {{- end }}
scheduler:
  # It asks the API server whether pods can fetch their workloads there.
  ingress:
    {{- if $local }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" (list "api-server") "port" 8793) | nindent 4 }}
    {{- end }}
  egress:
    {{- if $launches }}
    {{- include "tradewind.network.kubernetesApi" . | nindent 4 }}
    {{- end }}
    {{- if and $boards (not $local) }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" (list "api-server") "port" 8080) | nindent 4 }}
    {{- end }}
    {{- if $local }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" $servers "port" 8080) | nindent 4 }}
    {{- if $public.tasks }}
    {{- include "tradewind.network.public" . | nindent 4 }}
    {{- end }}
    {{- end }}
dag-processor:
  egress:
    {{- if $public.dagProcessor }}
    {{- include "tradewind.network.public" . | nindent 4 }}
    {{- end }}
{{- if .Values.triggerer.enabled }}
triggerer:
  ingress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" (list "api-server") "port" 8794) | nindent 4 }}
  egress:
    {{- if $operator }}
    {{- include "tradewind.network.kubernetesApi" . | nindent 4 }}
    {{- end }}
    {{- if $public.triggerer }}
    {{- include "tradewind.network.public" . | nindent 4 }}
    {{- end }}
{{- end }}
{{- if .Values.apiServer.executionApi.separate }}
execution-api:
  ingress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" $callers "port" 8080) | nindent 4 }}
{{- end }}
{{- if $launches }}
task:
  egress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" $servers "port" 8080 "away" true) | nindent 4 }}
    {{- if $operator }}
    {{- include "tradewind.network.kubernetesApi" . | nindent 4 }}
    {{- end }}
    {{- if $public.tasks }}
    {{- include "tradewind.network.public" . | nindent 4 }}
    {{- end }}
{{- end }}
migrate: {}
{{- if include "tradewind.bootstrap.enabled" . }}
bootstrap: {}
{{- end }}
{{- if .Values.dbCleanup.enabled }}
db-cleanup: {}
{{- end }}
{{- if include "tradewind.janitor.enabled" . }}
janitor:
  ingress:
    {{- include "tradewind.metrics.readers" (dict "root" . "port" 8080) | nindent 4 }}
  egress:
    {{- include "tradewind.network.kubernetesApi" . | nindent 4 }}
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" (list "api-server") "port" 8080) | nindent 4 }}
{{- end }}
{{- if .Values.metrics.enabled }}
metrics:
  ingress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" (include "tradewind.metrics.senders" . | fromJsonArray) "port" 9125 "protocol" "UDP") | nindent 4 }}
    {{- include "tradewind.metrics.readers" (dict "root" . "port" 9102) | nindent 4 }}
{{- end }}
test:
  egress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "to" "components" $servers "port" 8080) | nindent 4 }}
{{- if .Values.pgbouncer.enabled }}
pgbouncer:
  ingress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" $clients "port" 6432) | nindent 4 }}
{{- end }}
{{- if include "tradewind.postgresql.enabled" . }}
{{- $direct := ternary (list "pgbouncer" "migrate") (append $clients "migrate") .Values.pgbouncer.enabled }}
postgresql:
  ingress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" $direct "port" 5432) | nindent 4 }}
{{- end }}
{{- if .Values.loki.enabled }}
loki:
  ingress:
    {{- include "tradewind.network.rule" (dict "root" . "side" "from" "components" (include "tradewind.network.lokiClients" . | fromJsonArray) "port" 3100) | nindent 4 }}
{{- end }}
{{- end -}}

{{/* Every rule of one direction of a component: dict "root" "component" "rules" "side" */}}
{{- define "tradewind.network.egress" -}}
{{- $root := .root -}}
{{- $clients := include "tradewind.network.clients" $root | fromJsonArray -}}
{{- if not (has .component (list "postgresql" "metrics" "loki")) }}
{{ include "tradewind.network.dns" $root }}
{{- end }}
{{- if has .component $clients }}
{{ include "tradewind.network.database" (dict "root" $root) }}
{{- else if has .component (list "migrate" "pgbouncer") }}
{{ include "tradewind.network.database" (dict "root" $root "direct" true) }}
{{- end }}
{{- include "tradewind.network.loki" . }}
{{- if and $root.Values.metrics.enabled (has .component (include "tradewind.metrics.senders" $root | fromJsonArray)) }}
{{ include "tradewind.network.rule" (dict "root" $root "side" "to" "components" (list "metrics") "port" 9125 "protocol" "UDP" "away" (eq .component "task")) }}
{{- end }}
{{- with concat (.rules.egress | default list) (get $root.Values.networkPolicy.extraEgress .component | default list) }}
{{ toYaml . }}
{{- end }}
{{- end -}}
