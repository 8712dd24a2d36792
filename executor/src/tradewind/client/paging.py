"""Lists that are too long for one answer, read to their end. Loop thread only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from tradewind.client.models import Pod, PodPage
from tradewind.client.protocol import PodReader


async def pages(
    cluster: PodReader, namespace: str, *, selector: str, page_size: int
) -> AsyncIterator[PodPage]:
    """Yield the pages of a list, all of one version; an empty `namespace` means all.

    Raises:
        ClusterError: one of them could not be read.

    """
    resume = ""
    while True:
        page = await cluster.list_pods(namespace, selector=selector, limit=page_size, resume=resume)
        yield page
        resume = page.metadata.resume
        if not resume:
            return


async def pods_of(
    cluster: PodReader, *, selector: str, namespaces: Sequence[str], page_size: int
) -> list[Pod]:
    """Return all pods that match.

    Raises:
        ClusterError: one of the pages could not be read.

    """
    return [
        pod
        for namespace in namespaces
        async for page in pages(cluster, namespace, selector=selector, page_size=page_size)
        for pod in page.items
    ]
