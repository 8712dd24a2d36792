"""Airflow's own Execution API on loopback, over the database of the tests."""

import contextlib
import socket
import threading
import time

import uvicorn
from airflow.api_fastapi.app import create_app

WITHIN_S = 60


@contextlib.contextmanager
def serving():
    """Yield the address of a running Execution API."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(apps="execution"), log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + WITHIN_S
    while not server.started:
        assert thread.is_alive(), "the Execution API did not start"
        assert time.monotonic() < deadline, "the Execution API did not start in time"
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/execution/"
    finally:
        server.should_exit = True
        thread.join(WITHIN_S)
