{{/*
The janitor deletes task pods that nobody owns any more. It is there when it may ask Airflow, as a
user that a Secret names or that the chart makes, for without Airflow's word it deletes nothing.
*/}}

{{/* "true" when the janitor runs. */}}
{{- define "tradewind.janitor.enabled" -}}
{{- $login := .Values.janitor.airflowLogin -}}
{{- if and (or $login.existingSecret $login.create) (not (include "tradewind.executor.isLocal" .)) }}true{{ end -}}
{{- end -}}

{{- define "tradewind.janitor.secretName" -}}
{{- .Values.janitor.airflowLogin.existingSecret | default (printf "%s-janitor-login" (include "tradewind.fullname" .)) -}}
{{- end -}}

{{/* Value of an option of the executor, as text: dict "root" $ "option" "name" "default" "text" */}}
{{- define "tradewind.janitor.option" -}}
{{- $own := .root.Values.airflow.config.tradewind | default dict -}}
{{- $upstream := .root.Values.airflow.config.kubernetes_executor | default dict -}}
{{- if hasKey $own .option }}{{ get $own .option }}
{{- else if hasKey $upstream .option }}{{ get $upstream .option }}
{{- else }}{{ .default }}{{ end -}}
{{- end -}}

{{/* What tells the pods of this Airflow from those of others: [tradewind] installation. */}}
{{- define "tradewind.janitor.installation" -}}
{{- $own := .Values.airflow.config.tradewind | default dict -}}
{{- $own.installation | default (printf "%s.%s" .Release.Namespace (include "tradewind.fullname" .) | trunc 63 | trimSuffix "-" | trimSuffix ".") -}}
{{- end -}}

{{- define "tradewind.janitor.env" -}}
{{- $values := .Values.janitor -}}
TRADEWIND_JANITOR_NAMESPACES: {{ include "tradewind.taskNamespaces" . | fromJsonArray | join "," | quote }}
TRADEWIND_JANITOR_INSTALLATION: {{ include "tradewind.janitor.installation" . }}
{{- /* Not the execution API: where it is apart, it serves tasks alone. */}}
TRADEWIND_JANITOR_AIRFLOW_URL: http://{{ include "tradewind.serviceAddress" (dict "root" . "component" "api-server") }}
TRADEWIND_JANITOR_AIRFLOW_USERNAME:
  {{- include "tradewind.env.secretKey" (dict "name" (include "tradewind.janitor.secretName" .) "key" $values.airflowLogin.usernameKey) | nindent 2 }}
TRADEWIND_JANITOR_AIRFLOW_PASSWORD_FILE: /run/secrets/tradewind/airflow-login/password
TRADEWIND_JANITOR_LEASE_NAME: {{ include "tradewind.fullname" . }}-janitor
TRADEWIND_JANITOR_IDENTITY: {valueFrom: {fieldRef: {fieldPath: metadata.name}}}
TRADEWIND_JANITOR_DRY_RUN: {{ $values.dryRun }}
TRADEWIND_JANITOR_SWEEP_INTERVAL_S: {{ $values.sweepIntervalSeconds }}
TRADEWIND_JANITOR_MOST_DELETIONS: {{ $values.mostDeletions }}
{{- /* What the executor keeps for users, the janitor keeps too. */}}
TRADEWIND_JANITOR_KEEPS_ENDED: {{ include "tradewind.janitor.option" (dict "root" . "option" "delete_worker_pods" "default" "true") | lower | eq "false" }}
TRADEWIND_JANITOR_KEEPS_FAILED: {{ include "tradewind.janitor.option" (dict "root" . "option" "delete_worker_pods_on_failure" "default" "false") | lower | ne "true" }}
{{- if .Values.airflow.caBundle.configMap }}
SSL_CERT_FILE: /etc/tradewind/ca/ca-bundle.crt
{{- end }}
TRADEWIND_JANITOR_KEPT_TTL_S: {{ include "tradewind.janitor.option" (dict "root" . "option" "kept_pod_ttl" "default" "86400") | quote }}
{{- if ne (include "tradewind.executor.section" .) "tradewind" }}
TRADEWIND_JANITOR_REMOVED: executor
{{- end }}
{{- end -}}

{{- define "tradewind.janitor.spec" -}}
{{- $values := .Values.janitor }}
{{- $labelled := dict "root" . "component" "janitor" }}
{{- include "tradewind.pod.account" (merge (dict "token" true) $labelled) | nindent 0 }}
{{- with include "tradewind.pod.placement" (merge (dict "values" $values) $labelled) }}
{{- . | nindent 0 }}
{{- end }}
terminationGracePeriodSeconds: 30
securityContext:
  {{- include "tradewind.podSecurityContext" .Values.podSecurity.airflow | nindent 2 }}
containers:
  - name: janitor
    image: {{ include "tradewind.image" (dict "root" . "image" $values.image) | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    {{- if include "tradewind.loki.sends" . }}
    command: [catatonit, --]
    args: {{ include "tradewind.loki.args" (dict "root" . "component" "janitor" "args" (list "tradewind" "janitor" "run")) }}
    {{- else }}
    args: [run]
    {{- end }}
    env:
      {{- include "tradewind.env.list" (mergeOverwrite (include "tradewind.janitor.env" . | fromYaml) (ternary (include "tradewind.loki.address" . | fromYaml) dict (eq (include "tradewind.loki.sends" .) "true")) (deepCopy $values.env)) | nindent 6 }}
    ports:
      - {name: http, containerPort: 8080}
    # 503 when no sweep ends any more or the watch went silent.
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      initialDelaySeconds: 10
      periodSeconds: 30
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 10
      timeoutSeconds: 5
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- include "tradewind.containerSecurityContext" . | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: airflow-login, mountPath: /run/secrets/tradewind/airflow-login, readOnly: true}
      {{- include "tradewind.ca.mounts" . | nindent 6 }}
      {{- if include "tradewind.loki.sends" . }}
      {{- include "tradewind.loki.mounts" . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
  - name: airflow-login
    secret:
      secretName: {{ include "tradewind.janitor.secretName" . | quote }}
      defaultMode: 0440
      items: [{key: {{ $values.airflowLogin.passwordKey | quote }}, path: password}]
  {{- include "tradewind.ca.volumes" . | nindent 2 }}
  {{- if include "tradewind.loki.sends" . }}
  {{- include "tradewind.loki.volumes" . | nindent 2 }}
  {{- end }}
{{- end -}}
