"""Push a proposal's one file on its branch, open the pull request. Both may be there already."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.promotion import messages
from tradewind.promotion.findings import ConflictError
from tradewind.promotion.forges.forge import Forge
from tradewind.promotion.git import Repository
from tradewind.promotion.proposal import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where the change is now."""

    branch: str
    commit: str
    url: str
    """Of the pull request; without a forge, of the page that compares the branches."""
    was_pushed: bool
    """False when the branch held exactly this already."""


def publish(
    proposal: Proposal, *, repository: Repository, forge: Forge | None, main: str
) -> Published:
    """Make the remote hold the branch, and the forge the pull request.

    Raises:
        ConflictError: the branch holds work of somebody else, or moved meanwhile.
        UnreachableError: remote or forge do not answer.
        UnusableError: the forge refuses the token. It is asked before anything is pushed.

    """
    if forge:
        forge.require()
    tip = repository.remote_tip(proposal.branch)
    commit, was_pushed = _push(proposal, repository=repository, tip=tip)
    url = ""
    if forge:
        url = forge.open(
            branch=proposal.branch, base=main, title=proposal.title, body=proposal.body
        )
    return Published(branch=proposal.branch, commit=commit, url=url, was_pushed=was_pushed)


def _push(proposal: Proposal, *, repository: Repository, tip: str) -> tuple[str, bool]:
    commit = repository.write(
        proposal.base, path=proposal.path, text=proposal.text, message=proposal.message
    )
    if tip:
        repository.fetch_commit(proposal.branch)
        if repository.same_change(tip, commit):
            return tip, False
        _refuse_foreign(proposal, repository=repository, tip=tip)
    repository.push(commit, branch=proposal.branch, expected=tip)
    return commit, True


def _refuse_foreign(proposal: Proposal, *, repository: Repository, tip: str) -> None:
    """Raise ConflictError when the branch holds a commit that is not of our making."""
    ours = {messages.PROMOTED_FROM, messages.ROLLED_BACK_TO}
    start = repository.merge_base(proposal.base, head=tip)
    for message in repository.messages(start, head=tip):
        if not ours & messages.trailers(message).keys():
            raise ConflictError(
                f"branch {proposal.branch} holds a commit of somebody else "
                f"({message.splitlines()[0]!r}): delete the branch, or give its pull request up"
            )
