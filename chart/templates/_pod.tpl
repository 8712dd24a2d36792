{{/*
The pod of an Airflow component. A component says what makes it differ; everything else is here once:
waiting for migrations, security, volumes, placement.

dict "root" $ "component" "scheduler" "values" .Values.scheduler
     "args" (list …)         command line
     "secrets" (list …)      of "fernet" "api" "jwt"
     "probes" "<yaml>"       startupProbe, livenessProbe, readinessProbe of the container
     "ports" (dict …)        name -> number
     "token" true            mount the account's token
     "podTemplate" true      mount the task pod template beside airflow.cfg
     "env" (dict …)          variables of this component
*/}}
{{- define "tradewind.component.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
metadata:
  labels:
    {{- include "tradewind.podLabels" . | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # Running components never read airflow.cfg again: a change has to restart them.
    tradewind/config-checksum: {{ include "tradewind.config.file" $root | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "tradewind.pod.account" . | nindent 2 }}
  {{- with include "tradewind.pod.placement" $values }}
  {{- . | nindent 2 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "tradewind.podSecurityContext" $root.Values.podSecurity.airflow | nindent 4 }}
  initContainers:
    {{- include "tradewind.component.wait" . | nindent 4 }}
  containers:
    - name: {{ .component }}
      image: {{ include "tradewind.image" (dict "root" $root "image" $root.Values.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ toJson .args }}
      env:
        {{- include "tradewind.env.component" . | nindent 8 }}
      {{- with .ports }}
      ports:
        {{- range $name, $port := . }}
        - {name: {{ $name }}, containerPort: {{ $port }}}
        {{- end }}
      {{- end }}
      {{- .probes | nindent 6 }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "tradewind.containerSecurityContext" $root | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: config, mountPath: /etc/airflow, readOnly: true}
        {{- if has "jwt" .secrets }}
        - {name: jwt, mountPath: /run/secrets/tradewind/jwt, readOnly: true}
        {{- end }}
        {{- with $values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: {{ $values.tmpSizeLimit }}}
    {{- include "tradewind.component.configVolume" . | nindent 4 }}
    {{- if has "jwt" .secrets }}
    {{- $jwt := $root.Values.secrets.jwtPrivateKey }}
    - name: jwt
      secret:
        secretName: {{ include "tradewind.secrets.name" (dict "root" $root "secret" $jwt) }}
        defaultMode: 0440
        items: [{key: {{ $jwt.key }}, path: private-key.pem}]
    {{- end }}
    {{- with $values.volumes }}
    {{- toYaml . | nindent 4 }}
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

{{/*
Holds a component back until the schema is this image's. It makes `helm install --wait` mean what it
says although the migration Job is no hook, and costs 0.06 CPU seconds.
*/}}
{{- define "tradewind.component.wait" -}}
- name: wait-for-migrations
  image: {{ include "tradewind.image" (dict "root" .root "image" .root.Values.image) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [python, -I, /opt/tradewind/bin/metadata_db.py, wait-migrations]
  args: ["--timeout-seconds={{ .root.Values.migrations.waitTimeoutSeconds }}"]
  env:
    {{- include "tradewind.env.component" (dict "root" .root "values" .values) | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 32Mi}
    limits: {memory: 128Mi}
  securityContext:
    {{- include "tradewind.containerSecurityContext" .root | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
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

{{/* Account, token and pull secrets of a pod: dict "root" "component" ["token"] */}}
{{- define "tradewind.pod.account" -}}
serviceAccountName: {{ include "tradewind.fullname" .root }}-{{ .component }}
automountServiceAccountToken: {{ .token | default false }}
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may run. */}}
{{- define "tradewind.pod.placement" -}}
{{- $placement := dict -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" -}}
{{- with get $ $key -}}
{{- $_ := set $placement $key . -}}
{{- end -}}
{{- end -}}
{{- with $placement -}}
{{ toYaml . }}
{{- end -}}
{{- end -}}
