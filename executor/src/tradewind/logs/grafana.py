"""The address under which Grafana shows a log. Pure."""

from __future__ import annotations

import json
from urllib.parse import quote


def link(url: str, *, datasource: str, logql: str, start_ns: int, end_ns: int) -> str:
    """Return the address of Grafana's Explore with a query and a range of time.

    `datasource` is the uid of a Loki data source. Grafana counts milliseconds, so the range is
    widened to whole ones.
    """
    source = {"type": "loki", "uid": datasource}
    pane = {
        "datasource": datasource,
        "queries": [{"refId": "A", "datasource": source, "expr": logql, "queryType": "range"}],
        "range": {"from": str(start_ns // 10**6), "to": str(-(-end_ns // 10**6))},
    }
    panes = quote(json.dumps({"log": pane}, separators=(",", ":"), ensure_ascii=False), safe="")
    return f"{url.rstrip('/')}/explore?schemaVersion=1&panes={panes}"
