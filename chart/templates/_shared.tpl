{{/*
What components and tasks mount alike: local settings, trusted certificates, DAGs. Each helper writes
list items, or nothing.
*/}}
{{- define "tradewind.shared.volumes" -}}
{{- if .Values.airflow.localSettings }}
- name: local-settings
  configMap: {name: {{ include "tradewind.fullname" . }}-local-settings}
{{- end }}
{{- include "tradewind.ca.volumes" . }}
{{- end -}}

{{- define "tradewind.ca.volumes" -}}
{{- with .Values.airflow.caBundle }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap | quote }}
    items: [{key: {{ .key | quote }}, path: ca-bundle.crt}]
{{- end }}
{{- end }}
{{- end -}}

{{- define "tradewind.shared.mounts" -}}
{{- if .Values.airflow.localSettings }}
- {name: local-settings, mountPath: /opt/airflow-home/config, readOnly: true}
{{- end }}
{{- include "tradewind.ca.mounts" . }}
{{- end -}}

{{- define "tradewind.ca.mounts" -}}
{{- if .Values.airflow.caBundle.configMap }}
- {name: ca, mountPath: /etc/tradewind/ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "tradewind.dags.volumes" -}}
{{- if .Values.gitSync.enabled }}
- name: git
  emptyDir: {sizeLimit: 2Gi}
{{- with .Values.gitSync.existingSecret }}
- name: git-secret
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- end }}
{{- with .Values.dagsVolume }}
{{- if .enabled }}
- name: dags
  persistentVolumeClaim:
    claimName: {{ .existingClaim | default (printf "%s-dags" (include "tradewind.fullname" $)) }}
    readOnly: true
{{- end }}
{{- end }}
{{- end -}}

{{- define "tradewind.dags.mounts" -}}
{{- if .Values.gitSync.enabled }}
- {name: git, mountPath: /opt/git, readOnly: true}
{{- end }}
{{- if .Values.dagsVolume.enabled }}
- {name: dags, mountPath: /opt/dags, readOnly: true}
{{- end }}
{{- end -}}

{{/* Keeps the repository current; being a native sidecar it is there before its pod's container. */}}
{{- define "tradewind.dags.sidecar" -}}
{{- if .Values.gitSync.enabled }}
{{- $args := list (printf "--period=%s" .Values.gitSync.period) "--http-bind=:8081" "--http-metrics=false" }}
{{- include "tradewind.gitSync.container" (dict "root" . "name" "git-sync" "args" $args) }}
  restartPolicy: Always
  startupProbe:
    httpGet: {path: /, port: 8081}
    periodSeconds: 2
    timeoutSeconds: 5
    failureThreshold: 150
{{- end }}
{{- end -}}

{{/* Clones once, before a task starts. */}}
{{- define "tradewind.dags.init" -}}
{{- if .Values.gitSync.enabled }}
{{- include "tradewind.gitSync.container" (dict "root" . "name" "git-clone" "args" (list "--one-time")) }}
{{- end }}
{{- end -}}

{{- define "tradewind.gitSync.container" -}}
{{- $git := .root.Values.gitSync -}}
{{- $base := list (printf "--repo=%s" $git.repo) (printf "--ref=%s" $git.ref) (printf "--depth=%d" (int $git.depth)) "--root=/opt/git" "--link=current" "--add-user" }}
- name: {{ .name | quote }}
  image: {{ include "tradewind.image" (dict "root" .root "image" $git.image) | quote }}
  imagePullPolicy: {{ $git.image.pullPolicy }}
  args: {{ toJson (concat $base .args) }}
  env:
    - {name: HOME, value: /tmp}
    {{- if $git.existingSecret }}
    {{- if hasPrefix "http" $git.repo }}
    - {name: GITSYNC_USERNAME, valueFrom: {secretKeyRef: {name: {{ $git.existingSecret | quote }}, key: username}}}
    - {name: GITSYNC_PASSWORD_FILE, value: /etc/git-secret/password}
    {{- else }}
    - {name: GITSYNC_SSH_KEY_FILE, value: /etc/git-secret/ssh}
    - {name: GITSYNC_SSH_KNOWN_HOSTS_FILE, value: /etc/git-secret/known_hosts}
    {{- end }}
    {{- end }}
  resources:
    {{- toYaml $git.resources | nindent 4 }}
  securityContext:
    {{- include "tradewind.containerSecurityContext" .root | nindent 4 }}
    {{- range $key, $id := .root.Values.podSecurity.gitSync }}
    {{- if not (kindIs "invalid" $id) }}
    {{ $key }}: {{ int64 $id }}
    {{- end }}
    {{- end }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    - {name: git, mountPath: /opt/git}
    {{- if $git.existingSecret }}
    - {name: git-secret, mountPath: /etc/git-secret, readOnly: true}
    {{- end }}
{{- end -}}
