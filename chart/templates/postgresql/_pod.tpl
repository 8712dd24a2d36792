{{- define "tradewind.postgresql.spec" -}}
{{- $values := .Values.postgresql -}}
{{- $context := dict "root" . "component" "postgresql" -}}
{{- include "tradewind.pod.account" $context | nindent 0 }}
{{- with include "tradewind.pod.placement" (dict "root" . "component" "postgresql" "values" (merge (dict "replicas" 1) $values)) }}
{{- . | nindent 0 }}
{{- end }}
terminationGracePeriodSeconds: {{ int64 $values.terminationGracePeriodSeconds }}
securityContext:
  {{- include "tradewind.podSecurityContext" .Values.podSecurity.postgresql | nindent 2 }}
containers:
  - name: postgresql
    image: {{ include "tradewind.image" (dict "root" . "image" $values.image) | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args:
      {{- range $name, $value := $values.parameters }}
      {{- if not (kindIs "invalid" $value) }}
      - -c
      - {{ printf "%s=%s" $name (include "tradewind.text" $value) | quote }}
      {{- end }}
      {{- end }}
    env:
      - {name: PGDATA, value: /var/lib/tradewind-postgresql/17}
      - {name: PASSWORD_FILE, value: /run/secrets/tradewind/password}
    ports:
      - {name: postgresql, containerPort: 5432}
    # The socket appears only when the server is up for good. Recovery may take minutes.
    startupProbe:
      exec: {command: [pg_isready, -q, -h, /tmp, -d, postgres]}
      periodSeconds: 1
      timeoutSeconds: 5
      failureThreshold: 600
    readinessProbe:
      exec: {command: [pg_isready, -q, -h, /tmp, -d, postgres]}
      periodSeconds: 10
      timeoutSeconds: 5
    livenessProbe:
      exec: {command: [pg_isready, -q, -h, /tmp, -d, postgres]}
      periodSeconds: 30
      timeoutSeconds: 10
      failureThreshold: 6
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- include "tradewind.containerSecurityContext" . | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/tradewind-postgresql}
      - {name: tmp, mountPath: /tmp}
      - {name: password, mountPath: /run/secrets/tradewind, readOnly: true}
volumes:
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: 16Mi}
  - name: password
    secret:
      secretName: {{ include "tradewind.postgresql.secretName" . | quote }}
      defaultMode: 0440
      items: [{key: {{ $values.passwordKey | quote }}, path: password}]
{{- end -}}
