"""A way to the API server that can fall silent: connections stay open and carry no byte more."""

import asyncio
import contextlib


class SilentProxy:
    """Forwards a loopback port; what is sent on a muted connection vanishes, without a FIN."""

    def __init__(self):
        self._connections = []
        self._server = None
        self.swallowed = {"request": 0, "answer": 0}
        """Bytes that vanished, by what they were part of."""

    @contextlib.asynccontextmanager
    async def before(self, url):
        """Forward to that URL's port; yields the URL to use instead."""
        scheme, _, port = url.rpartition(":")
        self._server = await asyncio.start_server(
            lambda *ends: self._serve(*ends, port=int(port)), "127.0.0.1", 0
        )
        try:
            yield f"{scheme}:{self._server.sockets[0].getsockname()[1]}"
        finally:
            self._server.close()
            for connection in self._connections:
                connection["task"].cancel()

    def fall_silent(self, *parts):
        """Mute the connections there are, for requests, answers or both; later ones are fine."""
        for connection in self._connections:
            connection["muted"] |= set(parts)

    async def _serve(self, reader, writer, *, port):
        connection = {"muted": set(), "task": asyncio.current_task()}
        self._connections.append(connection)
        from_server, to_server = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(
                self._forward(reader, to_server, connection, "request"),
                self._forward(from_server, writer, connection, "answer"),
            )
        for end in (writer, to_server):
            end.close()

    async def _forward(self, reader, writer, connection, part):
        while chunk := await reader.read(65536):
            if part in connection["muted"]:
                self.swallowed[part] += len(chunk)
                continue
            writer.write(chunk)
            await writer.drain()
        if not connection["muted"]:
            writer.close()
