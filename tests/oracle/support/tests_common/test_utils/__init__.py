"""Helpers of upstream's tests."""
