"""Rendered objects against Kubernetes' JSON schemas, by the kubeconform program."""

from __future__ import annotations

import json
import os

from tradewind.promotion.findings import Finding, Level, RefusedError, UnusableError
from tradewind.promotion.programs import run


def judge(text: str, *, location: str) -> list[Finding]:
    """Return a refusal for each object that is invalid; of kinds without a schema, a note.

    `location` is kubeconform's: a folder's template or an address.

    Raises:
        UnusableError: no kubeconform, or no schemas at that place.

    """
    program = os.environ.get("KUBECONFORM") or "kubeconform"
    # It fails for one invalid object, too, and then its report says more than its exit code.
    command = [program, "-strict", "-summary", "-output=json", "-ignore-missing-schemas"]
    try:
        answer = run([*command, f"-schema-location={location}"], text=text, failure=RefusedError)
    except RefusedError as error:
        answer = error.output
    try:
        report = json.loads(answer)
    except ValueError as error:
        raise UnusableError(f"{program} does not answer: {answer.strip()[:300]}") from error
    found = [
        Finding("schema", Level.REFUSED, f"{one['kind']}/{one['name']}: {one['msg']}")
        for one in report.get("resources", [])
        if one["status"] in {"statusInvalid", "statusError"}
    ]
    summary = report["summary"]
    if not summary["valid"] and not found:
        raise UnusableError(f"{location} has no schema of any object: name another --schemas")
    unknown = f", {summary['skipped']} of kinds without a schema" if summary["skipped"] else ""
    level = Level.NOTE if unknown else Level.OK
    return found or [Finding("schema", level, f"{summary['valid']} objects are valid{unknown}")]
