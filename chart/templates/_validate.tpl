{{/*
What the schema cannot say: settings that contradict each other. Each rule is one sentence with the
remedy. Included once, by the ConfigMap that every installation has.
*/}}
{{- define "tradewind.validate" -}}
{{- $external := .Values.database.external -}}
{{- if and (or $external.host $external.uriKey) (not $external.existingSecret) -}}
{{- fail "database.external needs a Secret with the password or URL: set database.external.existingSecret" -}}
{{- end -}}
{{- if and $external.existingSecret (not (or $external.host $external.uriKey)) -}}
{{- fail "database.external.existingSecret is set, but no database: set database.external.host or database.external.uriKey" -}}
{{- end -}}
{{- if and .Values.apiServer.service.nodePort (eq .Values.apiServer.service.type "ClusterIP") -}}
{{- fail (printf "apiServer.service.nodePort %v needs apiServer.service.type NodePort or LoadBalancer" .Values.apiServer.service.nodePort) -}}
{{- end -}}
{{- if and (include "tradewind.executor.isLocal" .) (gt (int .Values.scheduler.replicas) 1) -}}
{{- fail (printf "LocalExecutor runs tasks in the scheduler, and scheduler.replicas is %d: set it to 1 or choose an executor that launches pods" (int .Values.scheduler.replicas)) -}}
{{- end -}}
{{- range $name, $bundle := .Values.airflow.dagBundles -}}
{{- if and $bundle (not $bundle.classpath) -}}
{{- fail (printf "airflow.dagBundles.%s has no classpath: name the bundle's class, or set the bundle to null to drop it" $name) -}}
{{- end -}}
{{- end -}}
{{- range $section := list "core.executor" "core.fernet_key" "database.sql_alchemy_conn" "api.secret_key" "api_auth.jwt_secret" "dag_processor.dag_bundle_config_list" -}}
{{- $parts := splitList "." $section -}}
{{- if hasKey (get $.Values.airflow.config (first $parts) | default dict) (last $parts) -}}
{{- fail (printf "airflow.config.%s is the chart's to set: use executor.class, airflow.dagBundles, database.external or secrets instead" $section) -}}
{{- end -}}
{{- end -}}
{{- end -}}
