"""Entry point of `python -m tradewind_tools`."""

from tradewind_tools.cli import run

if __name__ == "__main__":
    raise SystemExit(run())
