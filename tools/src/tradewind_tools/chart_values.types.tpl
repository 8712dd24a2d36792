{{- range .Sections }}{{ range .Properties }}{{ .Path }}	{{ .Type }}
{{ end }}{{ end -}}
