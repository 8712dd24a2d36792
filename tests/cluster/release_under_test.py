"""The cluster that holds the release under test, for tests and benchmarks alike."""

import os

from tradewind_tools.target import LOCAL, NAMED, resolve


def under_test():
    """Return the target that `./task up` of the same CLUSTER worked on.

    `target run` adds CONTEXT and REGISTRY for other programs; beside CLUSTER=local they would be
    refused as a contradiction.
    """
    named = os.environ.get("CLUSTER", LOCAL) == NAMED
    return resolve(os.environ if named else {})
