{{/* "true" when something is declared. */}}
{{- define "tradewind.bootstrap.enabled" -}}
{{- with .Values.bootstrap }}
{{- if or .users .connections .variables .pools }}true{{ end -}}
{{- end -}}
{{- end -}}

{{/*
What is declared, as JSON, every reference to a Secret replaced by the path of the file that holds its
value. So the ConfigMap names Secrets and holds none.
*/}}
{{- define "tradewind.bootstrap.declared" -}}
{{- $declared := dict -}}
{{- range $kind := list "users" "connections" "variables" "pools" -}}
{{- $_ := set $declared $kind (include "tradewind.bootstrap.resolved" (get $.Values.bootstrap $kind) | fromJson) -}}
{{- end -}}
{{- toPrettyJson $declared -}}
{{- end -}}

{{- define "tradewind.bootstrap.resolved" -}}
{{- $resolved := dict -}}
{{- range $name, $value := . -}}
{{- if not (kindIs "map" $value) -}}
{{- $_ := set $resolved $name $value -}}
{{- else if hasKey $value "valueFrom" -}}
{{- $ref := $value.valueFrom.secretKeyRef -}}
{{- $_ := set $resolved $name (dict "file" (printf "/run/secrets/tradewind/bootstrap/%s/%s" $ref.name $ref.key)) -}}
{{- else -}}
{{- $_ := set $resolved $name (include "tradewind.bootstrap.resolved" $value | fromJson) -}}
{{- end -}}
{{- end -}}
{{- toJson $resolved -}}
{{- end -}}

{{/* Names of the Secrets that are referred to, each followed by a space. */}}
{{- define "tradewind.bootstrap.secretNames" -}}
{{- range $value := . -}}
{{- if kindIs "map" $value -}}
{{- if hasKey $value "valueFrom" }}{{ $value.valueFrom.secretKeyRef.name }} {{ else }}{{ include "tradewind.bootstrap.secretNames" $value }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.bootstrap.pod" -}}
{{- $values := .Values.bootstrap -}}
{{- $names := include "tradewind.bootstrap.secretNames" (pick $values "users" "connections" "variables") | trim -}}
{{- $mounts := "- {name: declared, mountPath: /etc/tradewind/bootstrap, readOnly: true}" -}}
{{- $volumes := printf "- name: declared\n  configMap: {name: %s-bootstrap}" (include "tradewind.fullname" .) -}}
{{- if $names -}}
{{- range $name := splitList " " $names | uniq | sortAlpha -}}
{{- $mounts = printf "%s\n- {name: secret-%s, mountPath: /run/secrets/tradewind/bootstrap/%s, readOnly: true}" $mounts ($name | sha256sum | trunc 10) $name -}}
{{- $volumes = printf "%s\n- name: secret-%s\n  secret: {secretName: %s, defaultMode: 0440}" $volumes ($name | sha256sum | trunc 10) $name -}}
{{- end -}}
{{- end -}}
{{- include "tradewind.once.pod" (dict "root" . "component" "bootstrap" "values" $values "wait" true "secrets" (list "fernet")
      "args" (list "python" "/opt/tradewind/bin/bootstrap.py" "/etc/tradewind/bootstrap/declared.json")
      "mounts" $mounts "volumes" $volumes) -}}
{{- end -}}
