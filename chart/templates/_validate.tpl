{{/*
What the schema cannot say: settings that contradict each other. Each rule is one sentence with the
path of the value and the remedy. Included once, by the ConfigMap that every installation has.
*/}}
{{- define "tradewind.validate" -}}
{{- include "tradewind.validate.database" . -}}
{{- include "tradewind.validate.executor" . -}}
{{- include "tradewind.validate.dags" . -}}
{{- include "tradewind.validate.components" . -}}
{{- include "tradewind.validate.bootstrap" . -}}
{{- include "tradewind.validate.config" . -}}
{{- include "tradewind.validate.loki" . -}}
{{- include "tradewind.validate.metrics" . -}}
{{- include "tradewind.validate.secrets" . -}}
{{- end -}}

{{- define "tradewind.validate.database" -}}
{{- $external := .Values.database.external -}}
{{- $isExternal := include "tradewind.database.isExternal" . -}}
{{- if and $isExternal (not $external.existingSecret) -}}
{{- fail "database.external needs a Secret with the password or URL: set database.external.existingSecret" -}}
{{- end -}}
{{- if and $external.existingSecret (not $isExternal) -}}
{{- fail "database.external.existingSecret is set, but no database: set database.external.host or database.external.uriKey" -}}
{{- end -}}
{{- if and $external.host $external.uriKey -}}
{{- fail "database.external.host and database.external.uriKey both name the database: set one of them" -}}
{{- end -}}
{{- if and $isExternal (eq (toString .Values.postgresql.enabled) "true") -}}
{{- fail "postgresql.enabled is true and database.external names another database: drop one of them" -}}
{{- end -}}
{{- if and (not $isExternal) (eq (toString .Values.postgresql.enabled) "false") -}}
{{- fail "postgresql.enabled is false and no other database is named: set database.external.host and database.external.existingSecret" -}}
{{- end -}}
{{- if and .Values.pgbouncer.enabled $external.uriKey -}}
{{- fail "pgbouncer.enabled cannot read database.external.uriKey: set database.external.host, user, name and passwordKey instead" -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.validate.executor" -}}
{{- if and (include "tradewind.executor.hasLocal" .) (gt (int .Values.scheduler.replicas) 1) -}}
{{- fail (printf "LocalExecutor runs tasks in the scheduler, and scheduler.replicas is %d: set it to 1 or choose an executor that launches pods" (int .Values.scheduler.replicas)) -}}
{{- end -}}
{{- if and (include "tradewind.executor.isLocal" .) .Values.executor.namespaces -}}
{{- fail "executor.namespaces is set, but executor.class LocalExecutor launches no pods: empty it or choose an executor that does" -}}
{{- end -}}
{{- $keeps := and (eq (include "tradewind.executor.section" .) "tradewind") (not (include "tradewind.executor.isLocal" .)) -}}
{{- if and .Values.executor.warmPools (not $keeps) -}}
{{- fail (printf "executor.warmPools needs the Tradewind executor and no KubernetesExecutor beside it, and executor.class is %s: empty one of them" .Values.executor.class) -}}
{{- end -}}
{{- $namespaces := include "tradewind.taskNamespaces" . | fromJsonArray -}}
{{- range $name, $queue := .Values.executor.queues -}}
{{- $queue = $queue | default dict -}}
{{- if and $queue.namespace (not (has $queue.namespace $namespaces)) -}}
{{- fail (printf "executor.queues.%s.namespace is %s, where tasks have no Role: add it to executor.namespaces" $name $queue.namespace) -}}
{{- end -}}
{{- if and $queue.profile (not (hasKey $.Values.executor.profiles $queue.profile)) -}}
{{- fail (printf "executor.queues.%s.profile is %s, which is none of executor.profiles (%s): add it there" $name $queue.profile (keys $.Values.executor.profiles | sortAlpha | join ", " | default "none")) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.dagsVolume.enabled .Values.executor.namespaces -}}
{{- fail "dagsVolume.enabled and executor.namespaces exclude each other, for a claim belongs to one namespace: use gitSync or DAGs in the image" -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.validate.dags" -}}
{{- range $name, $bundle := .Values.airflow.dagBundles -}}
{{- if and $bundle (not $bundle.classpath) -}}
{{- fail (printf "airflow.dagBundles.%s has no classpath: name the bundle's class, or set the bundle to null to drop it" $name) -}}
{{- end -}}
{{- end -}}
{{- with .Values.gitSync -}}
{{- if and .enabled (not .repo) -}}
{{- fail "gitSync.enabled is true, but gitSync.repo is empty: set it to the address of the repository" -}}
{{- end -}}
{{- if and .enabled (not .existingSecret) (not (hasPrefix "http" .repo)) -}}
{{- fail (printf "gitSync.repo %s is read over SSH: set gitSync.existingSecret to a Secret with the keys ssh and known_hosts" .repo) -}}
{{- end -}}
{{- if and .enabled $.Values.dagsVolume.enabled -}}
{{- fail "gitSync.enabled and dagsVolume.enabled both deliver DAGs: turn one of them off" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.dagProcessor.perBundle (eq (include "tradewind.config.bundleMap" .) "{}") -}}
{{- fail "dagProcessor.perBundle is true, but airflow.dagBundles is empty: name a bundle or set perBundle to false" -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.validate.components" -}}
{{- with .Values.apiServer -}}
{{- if and .service.nodePort (eq .service.type "ClusterIP") -}}
{{- fail (printf "apiServer.service.nodePort %v does nothing with type ClusterIP: set apiServer.service.type to NodePort or LoadBalancer" .service.nodePort) -}}
{{- end -}}
{{- if and .ingress.enabled (not .ingress.hosts) -}}
{{- fail "apiServer.ingress.enabled is true, but apiServer.ingress.hosts is empty: name at least one host" -}}
{{- end -}}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) -}}
{{- fail "apiServer.httpRoute.enabled is true, but apiServer.httpRoute.parentRefs is empty: name the Gateway" -}}
{{- end -}}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- fail (printf "apiServer.autoscaling.minReplicas %d is above maxReplicas %d: lower it" (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- $known := splitList " " "api-server execution-api scheduler dag-processor triggerer task migrate bootstrap db-cleanup janitor loki metrics postgresql pgbouncer test" -}}
{{- range $value := list "extraEgress" "extraIngress" -}}
{{- range $component, $rules := get $.Values.networkPolicy $value -}}
{{- if not (has $component $known) -}}
{{- fail (printf "networkPolicy.%s.%s is no component: write one of %s" $value $component (join ", " $known)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.validate.bootstrap" -}}
{{- range $name, $user := .Values.bootstrap.users -}}
{{- if not (kindIs "map" ($user | default dict).password) -}}
{{- fail (printf "bootstrap.users.%s.password is no reference to a Secret: write {valueFrom: {secretKeyRef: {name: …, key: …}}}" $name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $connection := .Values.bootstrap.connections -}}
{{- range $field := list "password" "uri" -}}
{{- if kindIs "string" (get ($connection | default dict) $field | default dict) -}}
{{- fail (printf "bootstrap.connections.%s.%s would be readable in a ConfigMap: write {valueFrom: {secretKeyRef: {name: …, key: …}}}" $name $field) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $pool := .Values.bootstrap.pools -}}
{{- if not (hasKey ($pool | default dict) "slots") -}}
{{- fail (printf "bootstrap.pools.%s has no slots: set bootstrap.pools.%s.slots to a number, -1 for no bound" $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.validate.config" -}}
{{- $replaced := dict "core.executor" "executor.class" "core.fernet_key" "secrets.fernetKey" "database.sql_alchemy_conn" "database.external" "api.secret_key" "secrets.apiSecretKey" "api_auth.jwt_secret" "secrets.jwtPrivateKey" "api_auth.jwt_private_key_path" "secrets.jwtPrivateKey" "api_auth.trusted_jwks_url" "secrets.jwtTrustedKeys" "dag_processor.dag_bundle_config_list" "airflow.dagBundles" "smtp.smtp_password" "airflow.env with valueFrom" "sentry.sentry_dsn" "airflow.env with valueFrom" -}}
{{- range $option, $instead := $replaced -}}
{{- $parts := splitList "." $option -}}
{{- if hasKey (get $.Values.airflow.config (first $parts) | default dict) (last $parts) -}}
{{- fail (printf "airflow.config.%s is not for a ConfigMap or is the chart's to set: use %s instead" $option $instead) -}}
{{- end -}}
{{- end -}}
{{- end -}}
