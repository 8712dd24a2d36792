from decimal import Decimal

import pytest

from tradewind.pods import quantities


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("2", 2),
        ("250m", Decimal("0.25")),
        ("1.5Gi", 1.5 * 2**30),
        ("1Ki", 1024),
        ("1k", 1000),
        ("3M", 3_000_000),
        (".5", Decimal("0.5")),
        ("2.", 2),
        ("2e3", 2000),
        ("1E2", 100),
        ("1E", 10**18),
        ("-1", -1),
        ("5n", Decimal("5e-9")),
    ],
)
def test_quantities_are_read_as_kubernetes_does(text, expected):
    assert quantities.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "lots", "1Q!", "1 Gi", "Gi", "1gi", "0x10", "1e999999999", "٣"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="no quantity"):
        quantities.parse(text)


def test_bytes_are_written_in_mebibytes_rounded_up():
    assert quantities.mebibytes(Decimal(2**20 + 1)) == "2Mi"
