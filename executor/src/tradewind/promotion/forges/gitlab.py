"""GitLab, on any host. A pull request is called a merge request there."""

from __future__ import annotations

from urllib.parse import quote

import httpx

from tradewind.promotion.forges.forge import Api


class GitLab:
    """Merge requests of a project, whose path may have groups in groups."""

    def __init__(
        self, host: str, *, path: str, token: str, transport: httpx.BaseTransport | None = None
    ) -> None:
        # The path is one segment of the address: its slashes are escaped.
        self._project = f"/projects/{quote(path, safe='')}"
        self._api = Api(
            f"https://{host}/api/v4",
            headers={"PRIVATE-TOKEN": token},
            name="GitLab",
            transport=transport,
        )

    def require(self) -> None:
        """See Forge."""
        self._api.call("GET", self._project)

    def open(self, *, branch: str, base: str, title: str, body: str) -> str:
        """See Forge."""
        requests = f"{self._project}/merge_requests"
        query = {"state": "opened", "source_branch": branch, "target_branch": base}
        if found := self._api.call("GET", requests, query=query):
            changes = {"title": title, "description": body}
            return str(
                self._api.call("PUT", f"{requests}/{found[0]['iid']}", json=changes)["web_url"]
            )
        wanted = {
            "title": title,
            "description": body,
            "source_branch": branch,
            "target_branch": base,
            "remove_source_branch": True,
        }
        return str(self._api.call("POST", requests, json=wanted)["web_url"])
