"""Airflow seam: what this distribution adds to an Airflow installation.

Airflow calls `get_provider_info` in every component and every task, so this module must stay
cheap: it imports the option table and nothing else. A check in tests/unit keeps both in step.
"""

from __future__ import annotations

from typing import Any

from tradewind import __version__, config, option_texts, options

EXECUTOR = "tradewind.executor.TradewindExecutor"


def get_provider_info() -> dict[str, Any]:
    """Return the provider description (airflow/provider_info.schema.json)."""
    return {
        "package-name": "airflow-tradewind",
        "name": "Tradewind",
        "description": "Runs every task in its own Kubernetes pod.",
        "versions": [__version__],
        "executors": [EXECUTOR],
        "cli": ["tradewind.cli.get_commands"],
        "config": {
            option_texts.SECTION: {
                "description": "Settings of the Tradewind executor. An option that is not set here "
                "is read from [kubernetes_executor].",
                "options": {option.name: _published(option) for option in options.OPTIONS},
            },
        },
    }


def _published(option: options.Option) -> dict[str, Any]:
    # No default where upstream's section is the fallback: it would hide what users set there.
    default = None if option.fallback else option.default
    note = f" Default: {option.default or 'empty'}." if option.fallback else ""
    return {
        "description": option.description + note,
        "version_added": config.VERSION_ADDED,
        "type": option.kind,
        "example": None,
        "default": default,
    }
