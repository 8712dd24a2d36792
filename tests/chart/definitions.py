"""Resource definitions of other projects, from their Go modules, as schemas for kubeconform."""

import json

import yaml
from rendered import LOADER

from tradewind_tools import programs


def write(folder, modules):
    """Write a schema for each version of each kind; return kubeconform's location of them.

    `modules` are Go modules of tools/programs, each with where its definitions are.
    """
    for name, pattern in modules:
        for file in programs.sources(name).glob(pattern):
            for document in yaml.load_all(file.read_text(), LOADER):
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
