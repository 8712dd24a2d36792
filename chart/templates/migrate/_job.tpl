{{/*
The migration Job's spec. Its hash is the Job's name: a Job cannot be changed, so another spec is
another Job, and the same spec is not run again.
*/}}
{{- define "tradewind.migrate.spec" -}}
{{- $values := .Values.migrations -}}
backoffLimit: {{ $values.backoffLimit }}
template:
  metadata:
    labels:
      {{- include "tradewind.podLabels" (dict "root" . "component" "migrate") | nindent 6 }}
      {{- with $values.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with $values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    {{- include "tradewind.pod.account" (dict "root" . "component" "migrate") | nindent 4 }}
    {{- with include "tradewind.pod.placement" $values }}
    {{- . | nindent 4 }}
    {{- end }}
    # A failed attempt keeps its pod, and with it the reason.
    restartPolicy: Never
    securityContext:
      {{- include "tradewind.podSecurityContext" .Values.podSecurity.airflow | nindent 6 }}
    containers:
      - name: migrate
        image: {{ include "tradewind.image" (dict "root" . "image" .Values.image) }}
        imagePullPolicy: {{ .Values.image.pullPolicy }}
        args: [python, /opt/tradewind/bin/migrate.py, "--timeout-seconds={{ $values.waitTimeoutSeconds }}"]
        env:
          {{- include "tradewind.env.component" (dict "root" . "values" dict "env" (include "tradewind.migrate.adminUser" . | fromYaml)) | nindent 10 }}
        resources:
          {{- toYaml $values.resources | nindent 10 }}
        securityContext:
          {{- include "tradewind.containerSecurityContext" . | nindent 10 }}
        volumeMounts:
          - {name: tmp, mountPath: /tmp}
          - {name: config, mountPath: /etc/airflow, readOnly: true}
    volumes:
      - name: tmp
        emptyDir: {sizeLimit: 256Mi}
      {{- include "tradewind.component.configVolume" (dict "root" .) | nindent 6 }}
{{- end -}}

{{- define "tradewind.migrate.adminUser" -}}
{{- if .Values.adminUser.enabled }}
{{- $name := include "tradewind.adminUser.secretName" . }}
TRADEWIND_ADMIN_USERNAME:
  {{- include "tradewind.env.secretKey" (dict "name" $name "key" .Values.adminUser.usernameKey) | nindent 2 }}
TRADEWIND_ADMIN_PASSWORD:
  {{- include "tradewind.env.secretKey" (dict "name" $name "key" .Values.adminUser.passwordKey) | nindent 2 }}
{{- end }}
{{- end -}}
