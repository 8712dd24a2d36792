"""`python -m tradewind.worker`: see the package. The order of the first lines is the point."""

from __future__ import annotations

import gc

gc.disable()  # Before the imports: collecting while everything is kept costs a tenth of them.

if __name__ == "__main__":
    from tradewind.worker import entry

    entry.main()
