# Values of the chart

Made from the comments of `chart/values.yaml` by `./task chart:values`; a test checks that. Maps merge
when files are layered, lists are replaced as a whole, and `null` drops a key of the defaults. Every
key that is not here is refused.
{{ range .Sections }}
{{- if .Properties }}
## {{ .Name }}

{{ with .Description.String }}{{ . }}

{{ end -}}
| value | default | meaning |
|---|---|---|
{{- range .Properties }}
| `{{ .Path }}` | {{ if contains "\n" .Default }}see values.yaml{{ else }}`{{ .Default }}`{{ end }} | {{ .Description.String | replace "\n" " " | replace "|" "\\|" }}{{ if not (has (toString .Type) (list "string" "bool" "array" "object" "unknown" "number")) }} ({{ .Type }}){{ end }} |
{{- end }}
{{ end }}
{{- end }}
