"""Settings without Airflow's configuration."""

from __future__ import annotations

from tradewind import config
from tradewind.config import Settings


class DictConf:
    """Implements `config.Conf` over a mapping of (section, option) to text."""

    def __init__(self, options: dict[tuple[str, str], str]) -> None:
        self._options = options

    def has_option(self, section: str, key: str) -> bool:
        """Return whether the mapping has the option."""
        return (section, key) in self._options

    def get(self, section: str, key: str) -> str | None:
        """Return the option's text."""
        return self._options[section, key]


def load(**options: str) -> Settings:
    """Return the settings with these `[tradewind]` options and defaults for the rest.

    Raises:
        ConfigError: an option's text is unusable.

    """
    return config.load(DictConf({(config.SECTION, name): text for name, text in options.items()}))
