"""Test doubles and builders. Production never imports this package (a contract checks it)."""
