{{/*
The pod of an Airflow component. A component says what makes it differ; everything else is here once:
waiting for migrations, security, volumes, placement.

dict "root" $ "component" "scheduler" "values" .Values.scheduler
     "args" (list …)         command line
     "secrets" (list …)      of "fernet" "api" "jwt", and one of "loki-reader" "loki-writer" "loki-output"
     "probes" "<yaml>"       startupProbe, livenessProbe, readinessProbe of the container
     "ports" (dict …)        name -> number
     "token" true            mount the account's token
     "podTemplate" true      mount the task pod template beside airflow.cfg
     "dags" true             mount what delivers DAGs
     "env" (dict …)          variables of this component
*/}}
{{- define "tradewind.component.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
metadata:
  {{- include "tradewind.pod.metadata" . | nindent 2 }}
spec:
  {{- $spec := include "tradewind.component.spec" . | fromYaml -}}
  {{- toYaml (mergeOverwrite $spec (deepCopy $values.spec)) | nindent 2 }}
{{- end -}}

{{/* Labels and annotations of a pod: dict "root" "component" "values" */}}
{{- define "tradewind.pod.metadata" -}}
labels:
  {{- include "tradewind.podLabels" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  # Running components never read airflow.cfg again: a change has to restart them.
  tradewind/config-checksum: {{ include "tradewind.config.data" .root | sha256sum }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "tradewind.component.spec" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{ include "tradewind.pod.account" . }}
{{- with include "tradewind.pod.placement" . }}
{{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "tradewind.podSecurityContext" $root.Values.podSecurity.airflow | nindent 2 }}
initContainers:
  {{- include "tradewind.component.wait" . | nindent 2 }}
  {{- if .dags }}
  {{- include "tradewind.dags.sidecar" $root | nindent 2 }}
  {{- end }}
  {{- include "tradewind.containers.filled" (dict "root" $root "containers" $values.initContainers) | nindent 2 }}
containers:
  {{- $container := include "tradewind.component.container" . | fromYaml }}
  - {{- toYaml (mergeOverwrite $container (deepCopy $values.container)) | nindent 4 }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: {{ include "tradewind.text" $values.tmpSizeLimit | quote }}}
  {{- include "tradewind.component.configVolume" . | nindent 2 }}
  {{- include "tradewind.shared.volumes" $root | nindent 2 }}
  {{- if .dags }}
  {{- include "tradewind.dags.volumes" $root | nindent 2 }}
  {{- end }}
  {{- if has "jwt" .secrets }}
  {{- include "tradewind.component.jwtVolume" $root | nindent 2 }}
  {{- end }}
  {{- if or (has "loki-reader" .secrets) (include "tradewind.loki.sends" $root) }}
  {{- include "tradewind.loki.volumes" $root | nindent 2 }}
  {{- end }}
  {{- with $values.volumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "tradewind.component.container" -}}
{{- $root := .root -}}
name: {{ .component }}
image: {{ include "tradewind.image" (dict "root" $root "image" $root.Values.image) | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args: {{ include "tradewind.loki.args" . }}
env:
  {{- include "tradewind.env.component" . | nindent 2 }}
{{- with .ports }}
ports:
  {{- range $name, $port := . }}
  - {name: {{ $name }}, containerPort: {{ $port }}}
  {{- end }}
{{- end }}
{{ .probes }}
resources:
  {{- toYaml (.resources | default .values.resources) | nindent 2 }}
securityContext:
  {{- include "tradewind.containerSecurityContext" $root | nindent 2 }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  - {name: config, mountPath: /etc/airflow, readOnly: true}
  {{- include "tradewind.shared.mounts" $root | nindent 2 }}
  {{- if .dags }}
  {{- include "tradewind.dags.mounts" $root | nindent 2 }}
  {{- end }}
  {{- if has "jwt" .secrets }}
  - {name: jwt, mountPath: /run/secrets/tradewind/jwt, readOnly: true}
  {{- end }}
  {{- if or (has "loki-reader" .secrets) (include "tradewind.loki.sends" $root) }}
  {{- include "tradewind.loki.mounts" $root | nindent 2 }}
  {{- end }}
  {{- with .values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Both files in one folder, and no subPath: the pod template is read again at every launch. */}}
{{- define "tradewind.component.configVolume" -}}
- name: config
  projected:
    sources:
      - configMap: {name: {{ include "tradewind.fullname" .root }}-config}
      {{- if .podTemplate }}
      - configMap: {name: {{ include "tradewind.fullname" .root }}-pod-template}
      {{- end }}
{{- end -}}

{{/* The key that signs tokens and, while it is changed, the public keys that are trusted. */}}
{{- define "tradewind.component.jwtVolume" -}}
{{- $key := .Values.secrets.jwtPrivateKey -}}
{{- $trusted := .Values.secrets.jwtTrustedKeys -}}
- name: jwt
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "tradewind.secrets.name" (dict "root" . "secret" $key) | quote }}
          items: [{key: {{ $key.key | quote }}, path: private-key.pem}]
      {{- if $trusted.existingSecret }}
      - secret:
          name: {{ $trusted.existingSecret | quote }}
          items: [{key: {{ $trusted.key | quote }}, path: jwks.json}]
      {{- end }}
{{- end -}}

{{/*
Holds a component back until the schema is this image's. It makes `helm install --wait` mean what it
says although the migration Job is no hook, and costs 0.06 CPU seconds.
*/}}
{{- define "tradewind.component.wait" -}}
- name: wait-for-migrations
  image: {{ include "tradewind.image" (dict "root" .root "image" .root.Values.image) | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [python, -I, /opt/tradewind/bin/metadata_db.py, wait-migrations]
  args: ["--timeout-seconds={{ int64 .root.Values.migrations.waitTimeoutSeconds }}"]
  env:
    {{- include "tradewind.env.component" (dict "root" .root "values" .values) | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {memory: 128Mi}
  securityContext:
    {{- include "tradewind.containerSecurityContext" .root | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- include "tradewind.shared.mounts" .root | nindent 4 }}
{{- end -}}

{{/*
Containers that the user wrote, with what they left out: image, resources, a restricted security
context, room in /tmp. dict "root" $ "containers" (list …)
*/}}
{{- define "tradewind.containers.filled" -}}
{{- $image := include "tradewind.image" (dict "root" .root "image" .root.Values.image) -}}
{{- $security := include "tradewind.containerSecurityContext" .root | fromYaml -}}
{{- $resources := dict "requests" (dict "cpu" "10m" "memory" "32Mi") "limits" (dict "memory" "256Mi") -}}
{{- range .containers -}}
{{- $tmp := true -}}
{{- range .volumeMounts }}{{ if eq .mountPath "/tmp" }}{{ $tmp = false }}{{ end }}{{ end -}}
{{- $mounts := ternary (list (dict "name" "tmp" "mountPath" "/tmp")) list $tmp -}}
{{- $own := dict "volumeMounts" (concat $mounts (.volumeMounts | default list)) -}}
{{- $defaults := dict "image" $image "securityContext" $security "resources" $resources | deepCopy }}
- {{- toYaml (mergeOverwrite $defaults (deepCopy .) $own) | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Probes of components without a port: they ask for the heartbeat of this pod's job. */}}
{{- define "tradewind.component.heartbeatProbes" -}}
startupProbe:
  exec:
    command: [python, -I, /opt/tradewind/bin/metadata_db.py, heartbeat, {{ . }}]
  periodSeconds: 3
  timeoutSeconds: 10
  failureThreshold: 100
livenessProbe:
  exec:
    command:
      - python
      - -I
      - /opt/tradewind/bin/metadata_db.py
      - heartbeat
      - --max-age-seconds=180
      # The database's outage is no reason to restart anything.
      - --ok-without-database
      - {{ . }}
  periodSeconds: 60
  timeoutSeconds: 15
  failureThreshold: 3
{{- end -}}

{{/* Account, token and pull secrets of a pod: dict "root" "component" ["account"] ["token"] */}}
{{- define "tradewind.pod.account" -}}
serviceAccountName: {{ include "tradewind.fullname" .root }}-{{ .account | default .component }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/*
Where a pod may run: dict "root" "component" "values". Replicas without wishes of their own spread
over nodes where there is a choice.
*/}}
{{- define "tradewind.pod.placement" -}}
{{- $placement := dict -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" -}}
{{- with get $.values $key -}}
{{- $_ := set $placement $key . -}}
{{- end -}}
{{- end -}}
{{- if and (not .values.topologySpreadConstraints) (include "tradewind.isReplicated" .values) -}}
{{- $labels := include "tradewind.selectorLabels" . | fromYaml -}}
{{- $_ := set $placement "topologySpreadConstraints" (list (dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" "labelSelector" (dict "matchLabels" $labels))) -}}
{{- end -}}
{{- with $placement -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}

{{/* "true" when a component's values allow more than one replica. */}}
{{- define "tradewind.isReplicated" -}}
{{- $scaled := and .autoscaling .autoscaling.enabled -}}
{{- if or $scaled (gt (int .replicas) 1) }}true{{ end -}}
{{- end -}}
