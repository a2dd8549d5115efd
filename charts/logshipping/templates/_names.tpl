{{/* Names, labels and images that several templates share. */}}

{{- define "logshipping.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, with the chart's where it doesn't contain it already. */}}
{{- define "logshipping.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "logshipping.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "logshipping.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "logshipping.selectorLabels" -}}
app.kubernetes.io/name: {{ include "logshipping.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "logshipping.labels" -}}
{{ include "logshipping.selectorLabels" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "logshipping.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "logshipping.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* A reference: repository and tag of an image, `global.imageRegistry` in place of the registry that the repository names. */}}
{{- define "logshipping.reference" -}}
{{- $repository := .image.repository }}
{{- with .context.Values.global.imageRegistry }}
{{- /* The first part is a registry where it has a dot or a port, or is localhost; the rule of every other tool. */}}
{{- $repository = regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "" | printf "%s/%s" (trimSuffix "/" .) }}
{{- end }}
{{- printf "%s:%s" $repository (default .context.Chart.AppVersion .image.tag) }}
{{- end }}

{{- define "logshipping.image" -}}
{{- include "logshipping.reference" (dict "context" . "image" .Values.image) }}
{{- end }}

{{- define "logshipping.sidecarImage" -}}
{{- include "logshipping.reference" (dict "context" . "image" .Values.sidecarImage) }}
{{- end }}

{{/* For the pods of this chart. */}}
{{- define "logshipping.imagePullSecrets" -}}
{{- with concat .Values.global.imagePullSecrets .Values.imagePullSecrets | uniq }}
imagePullSecrets:
{{- range . }}
- name: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "logshipping.uninstallName" -}}
{{- printf "%s-uninstall" (include "logshipping.fullname" . | trunc 53 | trimSuffix "-") }}
{{- end }}

{{/* Not those that the operator's Deployment, Service and budget select by. */}}
{{- define "logshipping.uninstallLabels" -}}
app.kubernetes.io/name: {{ include "logshipping.name" . }}-uninstall
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: uninstall
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Annotations of an object that exists only while `helm uninstall` runs, or until a failure of it was looked at. */}}
{{- define "logshipping.uninstallHook" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}
