"""Make loopback as slow as a network: forward a port, every byte half of DELAY_MS late each way.

Its arguments: port to listen on, port to forward to, milliseconds of a round trip.
"""

import asyncio
import sys

import uvloop


async def forward(reader, writer, delay_s):
    """Copy the stream; what comes while earlier bytes wait is not held up by them any longer."""
    loop, due = asyncio.get_running_loop(), asyncio.Queue()

    async def write():
        while (item := await due.get()) is not None:
            at_s, chunk = item
            await asyncio.sleep(max(0.0, at_s - loop.time()))
            writer.write(chunk)
            await writer.drain()
        writer.close()

    task = asyncio.create_task(write())
    try:
        while chunk := await reader.read(65536):
            due.put_nowait((loop.time() + delay_s, chunk))
    except OSError:
        pass
    finally:
        due.put_nowait(None)
        await asyncio.gather(task, return_exceptions=True)


async def main(listen, target, delay_ms):
    async def serve(reader, writer):
        there = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(
            forward(reader, there[1], delay_ms / 2000), forward(there[0], writer, delay_ms / 2000)
        )

    server = await asyncio.start_server(serve, "127.0.0.1", listen)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    # Its own processor time is taken from what is measured.
    uvloop.run(main(*map(int, sys.argv[1:])))
