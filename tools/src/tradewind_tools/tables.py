"""Tables of documents that programs write: one is found again by its head."""

from pathlib import Path


def replace(text: str, table: str) -> str:
    """Return the document with the table in the place of that with the same head.

    Args:
        text: a document in Markdown.
        table: lines of a table; the first is its head.

    Raises:
        ValueError: the document has no table with that head, or several.

    """
    new = table.strip("\n").splitlines()
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines) if line == new[0]]
    if len(begins) != 1:
        raise ValueError(f"{len(begins)} tables begin with {new[0]!r} where one has to")
    begin = end = begins[0]
    while end < len(lines) and lines[end].startswith("|"):
        end += 1
    return "\n".join([*lines[:begin], *new, *lines[end:]]) + "\n"


def write(path: Path, table: str) -> None:
    """Replace the table in that file.

    Raises:
        ValueError: the file has no table with that head, or several.

    """
    path.write_text(replace(path.read_text(), table))
