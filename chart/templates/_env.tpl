{{/*
Environment of containers. Variables are kept in a map until they are written, so that none appears
twice: with server-side apply a second one is an error.
*/}}

{{/* A value as text. YAML numbers arrive as floats, and 1000000 would be written 1e+06. */}}
{{- define "tradewind.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* A map of name -> text or {valueFrom}, as a list sorted by name. */}}
{{- define "tradewind.env.list" -}}
{{- $list := list -}}
{{- range $name, $value := . -}}
{{- if kindIs "map" $value -}}
{{- $list = append $list (merge (dict "name" $name) $value) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $list = append $list (dict "name" $name "value" (include "tradewind.text" $value)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $list -}}
{{- end -}}

{{/* A reference to a key of a Secret, as YAML: dict "name" "key" */}}
{{- define "tradewind.env.secretKey" -}}
valueFrom:
  secretKeyRef: {name: {{ .name | quote }}, key: {{ .key | quote }}}
{{- end -}}

{{/* What every process of the image needs in a read-only root. Shared with task pods. */}}
{{- define "tradewind.env.base" -}}
AIRFLOW_HOME: /opt/airflow-home
HOME: /tmp
PYTHONDONTWRITEBYTECODE: "1"
PYTHONUNBUFFERED: "1"
{{- if .Values.airflow.caBundle.configMap }}
SSL_CERT_FILE: /etc/tradewind/ca/ca-bundle.crt
REQUESTS_CA_BUNDLE: /etc/tradewind/ca/ca-bundle.crt
{{- end }}
{{- end -}}

{{/*
How to reach the metadata database: dict "root" $ ["direct" true]. Direct is without PgBouncer, for
migrations hold locks of their session. The password travels in a variable of its own, which both
drivers read: so it needs no URL encoding, whatever it is made of.
*/}}
{{- define "tradewind.env.database" -}}
{{- $external := .root.Values.database.external -}}
{{- if $external.uriKey }}
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN:
  {{- include "tradewind.env.secretKey" (dict "name" $external.existingSecret "key" $external.uriKey) | nindent 2 }}
{{- else }}
{{- $database := include "tradewind.database" .root | fromYaml }}
{{- $address := printf "%s:%d" $database.host (int $database.port) }}
{{- if and .root.Values.pgbouncer.enabled (not .direct) }}
{{- $address = printf "%s-pgbouncer:6432" (include "tradewind.fullname" .root) }}
{{- end }}
AIRFLOW__DATABASE__SQL_ALCHEMY_CONN: {{ printf "postgresql+psycopg2://%s@%s/%s" (urlquery $database.user | replace "+" "%20") $address (urlquery $database.name | replace "+" "%20") }}
PGPASSWORD:
  {{- include "tradewind.env.secretKey" (dict "name" $database.secret "key" $database.key) | nindent 2 }}
{{- if and $external.sslMode (or .direct (not .root.Values.pgbouncer.enabled)) }}
PGSSLMODE: {{ $external.sslMode | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{/* host, port, name, user, secret and key of the database, wherever it runs; without uriKey. */}}
{{- define "tradewind.database" -}}
{{- $external := .Values.database.external -}}
{{- if $external.host -}}
host: {{ $external.host | quote }}
port: {{ $external.port }}
name: {{ $external.name | quote }}
user: {{ $external.user | quote }}
secret: {{ $external.existingSecret | quote }}
key: {{ $external.passwordKey | quote }}
{{- else -}}
host: {{ include "tradewind.fullname" . }}-postgresql
port: 5432
name: airflow
user: airflow
secret: {{ include "tradewind.postgresql.secretName" . | quote }}
key: {{ .Values.postgresql.passwordKey | quote }}
{{- end }}
{{- end -}}

{{/*
Environment of a component: dict "root" $ "values" .Values.scheduler "secrets" (list "fernet" "jwt" "api")
["env" (dict …)] ["direct" true]. Each component lists the secrets it reads and gets no other.
*/}}
{{- define "tradewind.env.component" -}}
{{- $root := .root -}}
{{- $secrets := $root.Values.secrets -}}
{{- $env := include "tradewind.env.base" $root | fromYaml -}}
{{- $_ := set $env "AIRFLOW_CONFIG" "/etc/airflow/airflow.cfg" -}}
{{- if $root.Values.metrics.enabled -}}
{{- $_ := set $env "AIRFLOW__METRICS__STATSD_PREFIX" (dict "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.name"))) -}}
{{- end -}}
{{- $env = merge $env (include "tradewind.env.database" (dict "root" $root "direct" .direct) | fromYaml) -}}
{{- range .secrets }}
{{- if eq . "fernet" }}
{{- $ref := dict "name" (include "tradewind.secrets.name" (dict "root" $root "secret" $secrets.fernetKey)) "key" $secrets.fernetKey.key -}}
{{- $_ := set $env "AIRFLOW__CORE__FERNET_KEY" (include "tradewind.env.secretKey" $ref | fromYaml) -}}
{{- else if eq . "api" }}
{{- $ref := dict "name" (include "tradewind.secrets.name" (dict "root" $root "secret" $secrets.apiSecretKey)) "key" $secrets.apiSecretKey.key -}}
{{- $_ := set $env "AIRFLOW__API__SECRET_KEY" (include "tradewind.env.secretKey" $ref | fromYaml) -}}
{{- else if eq . "loki-reader" }}
{{- $env = merge $env (include "tradewind.loki.reader" $root | fromYaml) (include "tradewind.loki.output" $root | fromYaml) -}}
{{- else if eq . "loki-writer" }}
{{- $env = merge $env (include "tradewind.loki.writer" $root | fromYaml) -}}
{{- else if eq . "loki-output" }}
{{- $env = merge $env (include "tradewind.loki.output" $root | fromYaml) -}}
{{- else if eq . "jwt" }}
{{- $_ := set $env "AIRFLOW__API_AUTH__JWT_PRIVATE_KEY_PATH" "/run/secrets/tradewind/jwt/private-key.pem" -}}
{{- if $secrets.jwtTrustedKeys.existingSecret }}
{{- $_ := set $env "AIRFLOW__API_AUTH__TRUSTED_JWKS_URL" "/run/secrets/tradewind/jwt/jwks.json" -}}
{{- end }}
{{- end }}
{{- end }}
{{- $env = mergeOverwrite $env (deepCopy (.env | default dict)) (deepCopy $root.Values.airflow.env) (deepCopy (.values.env | default dict)) -}}
{{- include "tradewind.env.list" $env -}}
{{- end -}}

{{/*
Environment of a task: the parts of airflow.cfg that concern tasks, as variables, so that a task pod
mounts nothing and holds no secret.
*/}}
{{- define "tradewind.env.task" -}}
{{- $env := include "tradewind.env.base" . | fromYaml -}}
{{- $_ := set $env "AIRFLOW_CONFIG" "/dev/null" -}}
{{- $serverOnly := list "api" "api_auth" "database" "fab" "kubernetes_executor" "scheduler" "simple_auth_manager" "tradewind" "triggerer" "webserver" -}}
{{- range $section, $options := include "tradewind.config" . | fromYaml }}
{{- if not (has $section $serverOnly) }}
{{- range $option, $value := $options }}
{{- if not (has (printf "%s.%s" $section $option) (list "core.executor" "core.auth_manager")) }}
{{- $name := printf "AIRFLOW__%s__%s" ($section | replace "." "_" | upper) ($option | upper) -}}
{{- $_ := set $env $name $value -}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $env = mergeOverwrite $env (include "tradewind.loki.writer" . | fromYaml) (deepCopy .Values.executor.podTemplate.env) -}}
{{- include "tradewind.env.list" $env -}}
{{- end -}}
