"""Pull requests by the forges' APIs, against answers of the shape that their references give."""

import json

import httpx
import pytest

from tradewind.promotion.findings import ConflictError, UnreachableError, UnusableError
from tradewind.promotion.forges import choose
from tradewind.promotion.forges.gitea import Gitea
from tradewind.promotion.forges.github import GitHub
from tradewind.promotion.forges.gitlab import GitLab

BRANCH, TITLE, BODY = "promote/staging/1.0.0", "Promote 1.0.0", "why"
GITHUB = {
    "id": 1,
    "number": 7,
    "state": "open",
    "html_url": "https://github.com/data/airflow/pull/7",
    "head": {"ref": BRANCH, "label": f"data:{BRANCH}"},
    "base": {"ref": "main"},
}
GITLAB = {
    "id": 901,
    "iid": 7,
    "state": "opened",
    "source_branch": BRANCH,
    "target_branch": "main",
    "web_url": "https://gitlab.example.com/team/data/airflow/-/merge_requests/7",
}
GITEA = GITHUB | {"html_url": "https://gitea.example.com/data/airflow/pulls/7"}


class Server:
    """Answers as a forge with these open pull requests, and remembers what was asked."""

    def __init__(self, *opened, made, status=200):
        self.opened, self.made, self.status, self.asked = list(opened), made, status, []

    def __call__(self, request):
        body = json.loads(request.content) if request.content else None
        path = request.url.raw_path.decode()
        self.asked.append((request.method, path, body, request.headers))
        if self.status != 200:
            return httpx.Response(self.status, json={"message": "because"})
        if request.method == "GET" and path.rpartition("/")[2].startswith(("pulls", "merge_req")):
            return httpx.Response(200, json=self.opened)
        return httpx.Response(201 if request.method == "POST" else 200, json=self.made)


def forge(kind, server):
    transport = httpx.MockTransport(server)
    if kind is GitLab:
        return kind("gitlab.example.com", path="team/data/airflow", token="t", transport=transport)
    host = "github.com" if kind is GitHub else "gitea.example.com"
    return kind(host, path="data/airflow", token="t", transport=transport)


def opened(kind, server):
    return forge(kind, server).open(branch=BRANCH, base="main", title=TITLE, body=BODY)


@pytest.mark.parametrize(
    ("kind", "made", "path", "wanted", "header"),
    [
        (
            GitHub,
            GITHUB,
            "/repos/data/airflow/pulls",
            {"title": TITLE, "body": BODY, "head": BRANCH, "base": "main"},
            ("Authorization", "Bearer t"),
        ),
        (
            GitLab,
            GITLAB,
            "/api/v4/projects/team%2Fdata%2Fairflow/merge_requests",
            {
                "title": TITLE,
                "description": BODY,
                "source_branch": BRANCH,
                "target_branch": "main",
                "remove_source_branch": True,
            },
            ("PRIVATE-TOKEN", "t"),
        ),
        (
            Gitea,
            GITEA,
            "/api/v1/repos/data/airflow/pulls",
            {"title": TITLE, "body": BODY, "head": BRANCH, "base": "main"},
            ("Authorization", "token t"),
        ),
    ],
)
def test_a_pull_request_is_opened_once(kind, made, path, wanted, header):
    server = Server(made=made)
    assert opened(kind, server) == made.get("html_url", made.get("web_url"))
    method, asked, body, headers = server.asked[-1]
    assert (method, asked, body) == ("POST", path, wanted)
    assert headers[header[0]] == header[1]


@pytest.mark.parametrize(
    ("kind", "made", "method", "path"),
    [
        (GitHub, GITHUB, "PATCH", "/repos/data/airflow/pulls/7"),
        (GitLab, GITLAB, "PUT", "/api/v4/projects/team%2Fdata%2Fairflow/merge_requests/7"),
        (Gitea, GITEA, "PATCH", "/api/v1/repos/data/airflow/pulls/7"),
    ],
)
def test_one_that_is_open_is_brought_up_to_date(kind, made, method, path):
    server = Server(made, made=made)
    assert opened(kind, server) == made.get("html_url", made.get("web_url"))
    assert server.asked[-1][:2] == (method, path)
    assert {"title"} < server.asked[-1][2].keys()
    assert "POST" not in {asked[0] for asked in server.asked}


def test_gitea_is_read_page_by_page():
    others = [GITEA | {"number": n, "head": {"ref": f"b{n}"}} for n in range(100, 150)]

    def answer(request):
        server.asked.append(request.method)
        if request.method == "GET":
            second = request.url.params["page"] == "2"
            return httpx.Response(200, json=[GITEA] if second else others)
        return httpx.Response(200, json=GITEA)

    server = Server(made=GITEA)
    assert opened(Gitea, answer).endswith("/7")
    assert server.asked == ["GET", "GET", "PATCH"]


@pytest.mark.parametrize("kind", [GitHub, GitLab, Gitea])
@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, UnusableError, "the token needs to read the repository"),
        (404, UnusableError, "the token needs"),
        (422, ConflictError, "refuses the pull request"),
        (429, UnreachableError, "run it again later"),
        (502, UnreachableError, r"answers 502 .*because"),
    ],
)
def test_a_forge_that_does_not_want_to_is_a_sentence(kind, status, error, sentence):
    with pytest.raises(error, match=sentence):
        forge(kind, Server(made={}, status=status)).open(
            branch=BRANCH, base="main", title=TITLE, body=BODY
        )


def test_a_forge_that_is_down_or_is_none_is_a_sentence():
    def down(request):
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnreachableError, match=r"GitHub does not answer \(ConnectError\)"):
        forge(GitHub, down).require()
    page = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>"))
    with pytest.raises(UnreachableError, match="is its address right"):
        Gitea("g.example.com", path="a/b", token="t", transport=page).require()


@pytest.mark.parametrize(
    ("url", "kind", "host", "path"),
    [
        ("https://github.com/data/airflow.git", "github", "github.com", "data/airflow"),
        ("git@github.com:data/airflow.git", "github", "github.com", "data/airflow"),
        ("ssh://git@gitlab.a.com:2222/t/d/a.git", "gitlab", "gitlab.a.com", "t/d/a"),
        ("https://gitea.a.com:3000/data/airflow", "gitea", "gitea.a.com:3000", "data/airflow"),
        ("https://user:pw@codeberg.org/d/a", "gitea", "codeberg.org", "d/a"),
    ],
)
def test_an_address_tells_forge_and_repository(url, kind, host, path):
    found = choose.address(url)
    assert (choose.kind(url), found.host, found.path) == (kind, host, path)


def test_a_token_is_asked_for_by_the_names_that_are_usual():
    with pytest.raises(UnusableError, match="GITHUB_TOKEN or GH_TOKEN, or open the pull"):
        choose.choose("git@github.com:d/a.git", named="", environment={})
    environment = {"GITLAB_TOKEN": "t"}
    found = choose.choose("https://git.example.com/d/a", named="gitlab", environment=environment)
    assert isinstance(found, GitLab)
    with pytest.raises(UnusableError, match="say --forge"):
        choose.choose("https://git.example.com/d/a", named="", environment=environment)


def test_without_a_forge_there_is_the_page_that_compares():
    url = choose.compare("git@github.com:d/a.git", named="", branch="promote/x/1", base="main")
    assert url == "https://github.com/d/a/compare/main...promote/x/1?expand=1"
    assert choose.compare("/srv/git/a.git", named="", branch="b", base="main") == ""
