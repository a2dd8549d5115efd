{{/* Who may do what. docs/security.md explains every line, and a test compares them with what the operator does. */}}

{{/* All that the operator may do. It can't read Secrets: the sidecar reads them as files of its pod. */}}
{{- define "logshipping.rules" -}}
# What is shipped. The patch is the finalizer; the status is a resource of its own.
- apiGroups: [logshipping.dev]
  resources: [logshippings]
  verbs: [list, watch, patch]
- apiGroups: [logshipping.dev]
  resources: [logshippings/status]
  verbs: [patch]
# The sidecar is added to the pod template by one patch. Read one by one only to learn who undoes that.
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
# Which pods belong to a Deployment.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
# Whose sidecar to ask for its status.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- if .Values.nudge }}
# The annotation that makes the kubelet refresh the configuration at once.
- apiGroups: [""]
  resources: [pods]
  verbs: [patch]
{{- end }}
# The sidecar's configuration; always written as a whole, with the version that was read as precondition.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, update, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* What the Job before an uninstallation may do: what the operator may, but for what only adding a sidecar takes. */}}
{{- define "logshipping.uninstallRules" -}}
- apiGroups: [logshipping.dev]
  resources: [logshippings]
  verbs: [list, watch, patch]
# Why an object can't go yet.
- apiGroups: [logshipping.dev]
  resources: [logshippings/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
# An update takes a pipeline out of a configuration that another LogShipping keeps.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, update, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
