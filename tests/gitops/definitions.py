"""Resource definitions of both engines, from their Go modules, as schemas for kubeconform."""

import json

import yaml

from tradewind_tools import programs

FOLDERS = {
    "argo-cd": "manifests/crds",
    "source-controller": "config/crd/bases",
    "kustomize-controller": "config/crd/bases",
    "helm-controller": "config/crd/bases",
}
"""Go module of tools/programs -> where its definitions are."""


def write(folder):
    """Write a schema for each version of each kind; return kubeconform's location of them."""
    for name, path in FOLDERS.items():
        for file in (programs.sources(name) / path).glob("*.yaml"):
            document = yaml.safe_load(file.read_text())
            if document["kind"] == "CustomResourceDefinition":
                _write(folder, document["spec"])
    return f"{folder}/{{{{.ResourceKind}}}}-{{{{.ResourceAPIVersion}}}}.json"


def _write(folder, spec):
    for version in spec["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        # What every object has, and no definition describes.
        schema["properties"]["metadata"] = {"type": "object"}
        name = f"{spec['names']['kind'].lower()}-{version['name']}.json"
        (folder / name).write_text(json.dumps(schema))


def strict(schema):
    """Return a schema that refuses what it does not know; an API server drops that silently."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") is True
    if isinstance(schema.get("properties"), dict) and not is_open:
        found.setdefault("additionalProperties", False)
    return found
