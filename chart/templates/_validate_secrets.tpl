{{/*
Two questions about Secrets that only a look into the cluster answers: is what is named there, and
would what is missing be generated once or at every rendering.
*/}}
{{- define "tradewind.validate.secrets" -}}
{{- if and .Values.secrets.jwtTrustedKeys.existingSecret (not .Values.secrets.jwtPrivateKey.existingSecret) -}}
{{- fail "secrets.jwtTrustedKeys lists the keys that are trusted, and the generated one is not among them: set secrets.jwtPrivateKey.existingSecret too" -}}
{{- end -}}
{{- include "tradewind.validate.generated" . -}}
{{- include "tradewind.validate.existing" . -}}
{{- end -}}

{{/* Every Secret that may be given: JSON list of {path, name, keys}. A name is empty where none is given. */}}
{{- define "tradewind.secrets.references" -}}
{{- $list := list -}}
{{- $keyed := dict -}}
{{- range $name, $secret := .Values.secrets -}}
{{- if kindIs "map" $secret -}}
{{- $list = append $list (dict "path" (printf "secrets.%s" $name) "name" $secret.existingSecret "keys" (list $secret.key) "generated" (ne $name "jwtTrustedKeys")) -}}
{{- end -}}
{{- end -}}
{{- with .Values.adminUser -}}
{{- if .enabled }}{{ $list = append $list (dict "path" "adminUser" "name" .existingSecret "keys" (list .usernameKey .passwordKey) "generated" true) }}{{ end -}}
{{- end -}}
{{- if include "tradewind.postgresql.enabled" . -}}
{{- $list = append $list (dict "path" "postgresql" "name" .Values.postgresql.existingSecret "keys" (list .Values.postgresql.passwordKey) "generated" true) -}}
{{- else -}}
{{- with .Values.database.external -}}
{{- $list = append $list (dict "path" "database.external" "name" .existingSecret "keys" (list (.uriKey | default .passwordKey)) "generated" false) -}}
{{- end -}}
{{- end -}}
{{- if .Values.gitSync.enabled -}}
{{- $keys := ternary (list "username" "password") (list "ssh" "known_hosts") (hasPrefix "http" .Values.gitSync.repo) -}}
{{- $list = append $list (dict "path" "gitSync" "name" .Values.gitSync.existingSecret "keys" $keys "generated" false) -}}
{{- end -}}
{{- if include "tradewind.janitor.enabled" . -}}
{{- with .Values.janitor.airflowLogin -}}
{{- $list = append $list (dict "path" "janitor.airflowLogin" "name" .existingSecret "keys" (list .usernameKey .passwordKey) "generated" .create) -}}
{{- end -}}
{{- end -}}
{{- with .Values.logs.loki -}}
{{- if and .url .basicAuth.existingSecret -}}
{{- $list = append $list (dict "path" "logs.loki.basicAuth" "name" .basicAuth.existingSecret "keys" (list .basicAuth.usernameKey .basicAuth.passwordKey) "generated" false) -}}
{{- end -}}
{{- end -}}
{{- toJson $list -}}
{{- end -}}

{{/*
Without a cluster Helm knows groups and versions of its own, and no kinds. Argo CD hands over the kinds
of its cluster, its own among them, but lets nobody look anything up.
*/}}
{{- define "tradewind.validate.generated" -}}
{{- $offline := not (.Capabilities.APIVersions.Has "v1/Secret") -}}
{{- $argo := and (.Capabilities.APIVersions.Has "argoproj.io/v1alpha1/Application") .Release.IsInstall (not (lookup "v1" "Secret" .Release.Namespace "").items) -}}
{{- if and (or $offline $argo) (not .Values.secrets.allowUnstable) -}}
{{- $missing := list -}}
{{- range include "tradewind.secrets.references" . | fromJsonArray -}}
{{- if and .generated (not .name) }}{{ $missing = append $missing (printf "%s.existingSecret" .path) }}{{ end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "rendered without a look into the cluster, generated keys would change at every rendering: set %s (docs/install.md has the commands), or install with helm itself; secrets.allowUnstable=true only to look at manifests" (join ", " $missing)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tradewind.validate.existing" -}}
{{- $seen := (lookup "v1" "Secret" .Release.Namespace "").items -}}
{{- if and $seen .Values.secrets.checkExisting -}}
{{- range $reference := include "tradewind.secrets.references" . | fromJsonArray -}}
{{- if $reference.name -}}
{{- $found := lookup "v1" "Secret" $.Release.Namespace $reference.name -}}
{{- if not $found -}}
{{- fail (printf "%s.existingSecret names Secret %s, which is not in namespace %s: create it first, or set secrets.checkExisting to false where another program creates it" $reference.path $reference.name $.Release.Namespace) -}}
{{- end -}}
{{- range $key := $reference.keys -}}
{{- if not (hasKey ($found.data | default dict) $key) -}}
{{- fail (printf "%s.existingSecret names Secret %s, which has no key %s (it has %s): add it, or name the right key beside existingSecret" $reference.path $reference.name $key (keys ($found.data | default dict) | sortAlpha | join ", " | default "none")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
