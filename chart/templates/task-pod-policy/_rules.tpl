{{/* CEL rules for task pods, each with the sentence that refuses. */}}
{{- define "tradewind.taskPodPolicy.rules" -}}
{{- $account := printf "%s-task" (include "tradewind.fullname" .) -}}
{{- $all := "variables.containers" -}}
- expression: object.spec.serviceAccountName == {{ squote $account }}
  message: a task pod runs as ServiceAccount {{ $account }} and no other
- expression: "!has(object.spec.volumes) || object.spec.volumes.all(v, !has(v.hostPath))"
  message: a task pod mounts no hostPath volume
- expression: >-
    (!has(object.spec.hostNetwork) || !object.spec.hostNetwork) &&
    (!has(object.spec.hostPID) || !object.spec.hostPID) &&
    (!has(object.spec.hostIPC) || !object.spec.hostIPC)
  message: a task pod shares no namespace of its node
- expression: >-
    {{ $all }}.all(c, has(c.securityContext) && has(c.securityContext.allowPrivilegeEscalation) &&
    !c.securityContext.allowPrivilegeEscalation &&
    (!has(c.securityContext.privileged) || !c.securityContext.privileged))
  message: no container of a task pod is privileged or may become so
- expression: {{ $all }}.all(c, has(c.resources) && has(c.resources.limits) && 'memory' in c.resources.limits)
  message: every container of a task pod has a memory limit
{{- with .Values.taskPodPolicy.imagePrefixes }}
- expression: {{ $all }}.all(c, {{ toJson . }}.exists(p, c.image.startsWith(p)))
  message: {{ printf "the image of a task pod begins with one of %s" (join ", " .) | quote }}
{{- end }}
{{- with .Values.taskPodPolicy.maxMemory }}
- expression: >-
    {{ $all }}.all(c, !has(c.resources) || !has(c.resources.limits) || !('memory' in c.resources.limits) ||
    quantity(c.resources.limits.memory).compareTo(quantity({{ squote . }})) <= 0)
  message: a container of a task pod is limited to at most {{ . }} of memory
{{- end }}
{{- end -}}
