"""What upstream's tests import from its monorepo, as far as the oracle tier runs them.

Written for this tier: names are upstream's, the bodies are ours and hold only what is needed.
"""
