"""Options set for the length of a block or a test."""

import contextlib
import os
from unittest import mock

STANDS_FOR = {}
"""Values that the tier replaces: upstream's executor by the one under test."""


@contextlib.contextmanager
def conf_vars(overrides):
    """Set options, given as `(section, key): text`; None removes what the environment says."""
    with mock.patch.dict(os.environ):
        for (section, key), text in overrides.items():
            variable = f"AIRFLOW__{section}__{key}".upper()
            os.environ.pop(variable, None)
            if text is not None:
                os.environ[variable] = STANDS_FOR.get(text, text)
        yield
