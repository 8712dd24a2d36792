{{/*
The pod of work that ends: migrations, bootstrap, cleanup.

dict "root" $ "component" "migrate" "values" .Values.migrations "args" (list …) ["secrets" (list …)]
     ["env" (dict …)] ["wait" true] ["direct" true] ["volumes" "<yaml>"] ["mounts" "<yaml>"]
*/}}
{{- define "tradewind.once.pod" -}}
metadata:
  labels:
    {{- include "tradewind.podLabels" . | nindent 4 }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- toYaml (mergeOverwrite (include "tradewind.once.spec" . | fromYaml) (deepCopy .values.spec)) | nindent 2 }}
{{- end -}}

{{- define "tradewind.once.spec" -}}
{{- $root := .root -}}
{{ include "tradewind.pod.account" . }}
{{- with include "tradewind.pod.placement" (dict "root" $root "component" .component "values" (merge (dict "replicas" 1) .values)) }}
{{ . }}
{{- end }}
# A failed attempt keeps its pod, and with it the reason.
restartPolicy: Never
securityContext:
  {{- include "tradewind.podSecurityContext" $root.Values.podSecurity.airflow | nindent 2 }}
{{- if .wait }}
initContainers:
  {{- include "tradewind.component.wait" (dict "root" $root "values" dict) | nindent 2 }}
{{- end }}
containers:
  - name: {{ .component }}
    image: {{ include "tradewind.image" (dict "root" $root "image" $root.Values.image) | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ toJson .args }}
    env:
      {{- include "tradewind.env.component" (dict "root" $root "values" dict "env" (.env | default dict) "secrets" (.secrets | default list) "direct" .direct) | nindent 6 }}
    resources:
      {{- toYaml .values.resources | nindent 6 }}
    securityContext:
      {{- include "tradewind.containerSecurityContext" $root | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: config, mountPath: /etc/airflow, readOnly: true}
      {{- include "tradewind.shared.mounts" $root | nindent 6 }}
      {{- with .mounts }}
      {{- . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  {{- include "tradewind.component.configVolume" (dict "root" $root) | nindent 2 }}
  {{- include "tradewind.shared.volumes" $root | nindent 2 }}
  {{- with .volumes }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end -}}
