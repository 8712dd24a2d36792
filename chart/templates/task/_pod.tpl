{{/*
The pod that every task starts from. The executor adds name, labels, annotations, command and, with
them, one task. The container is named base: that is the one executors look at.
*/}}
{{- define "tradewind.task.pod" -}}
{{- $task := .Values.executor.podTemplate -}}
apiVersion: v1
kind: Pod
metadata:
  name: task
  labels:
    {{- include "tradewind.podLabels" (dict "root" . "component" "task") | nindent 4 }}
    {{- with $task.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $task.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- toYaml (mergeOverwrite (include "tradewind.task.spec" . | fromYaml) (deepCopy $task.spec)) | nindent 2 }}
{{- end -}}

{{- define "tradewind.task.spec" -}}
{{- $task := .Values.executor.podTemplate -}}
{{- $init := printf "%s\n%s" (include "tradewind.dags.init" .) (include "tradewind.containers.filled" (dict "root" . "containers" $task.initContainers)) | trim -}}
{{- include "tradewind.pod.account" (dict "root" . "component" "task" "token" .Values.executor.podOperator.enabled) }}
{{- with include "tradewind.pod.placement" (dict "root" . "component" "task" "values" (merge (dict "replicas" 1) $task)) }}
{{ . }}
{{- end }}
restartPolicy: Never
terminationGracePeriodSeconds: {{ int64 $task.terminationGracePeriodSeconds }}
securityContext:
  {{- include "tradewind.podSecurityContext" .Values.podSecurity.airflow | nindent 2 }}
{{- with $init }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
containers:
  - name: base
    image: {{ include "tradewind.image" (dict "root" . "image" .Values.image) | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      {{- include "tradewind.env.task" . | nindent 6 }}
    resources:
      {{- toYaml $task.resources | nindent 6 }}
    securityContext:
      {{- include "tradewind.containerSecurityContext" . | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- include "tradewind.shared.mounts" . | nindent 6 }}
      {{- include "tradewind.dags.mounts" . | nindent 6 }}
      {{- if include "tradewind.loki.sends" . }}
      {{- include "tradewind.loki.mounts" . | nindent 6 }}
      {{- end }}
      {{- with $task.volumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ include "tradewind.text" $task.tmpSizeLimit | quote }}}
  {{- include "tradewind.shared.volumes" . | nindent 2 }}
  {{- include "tradewind.dags.volumes" . | nindent 2 }}
  {{- if include "tradewind.loki.sends" . }}
  {{- include "tradewind.loki.volumes" . | nindent 2 }}
  {{- end }}
  {{- with $task.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
