import contextlib
import os
import socket
import sys

import pytest

from tradewind_tools import ports

# From a real machine: 127.0.0.1:5005 listens, 10.244.0.1:6443 is connected.
TABLE = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid ...
   0: 0100007F:138D 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4242 1
   1: 0100F40A:192B 0100F40A:9C40 01 00000000:00000000 00:00000000 00000000 0 0 4243 1
"""


def test_only_listening_sockets_count():
    assert list(ports.parse_listeners(TABLE)) == [ports.Listener("127.0.0.1", 5005, "4242")]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("0100F40A", "10.244.0.1", id="v4"),
        pytest.param("00000000000000000000000001000000", "::1", id="v6"),
        pytest.param("00000000", "0.0.0.0", id="any"),  # noqa: S104
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the table is in host order")
def test_addresses_are_decoded_from_host_order(raw, expected):
    assert ports.decode_address(raw) == expected


@pytest.mark.parametrize(
    ("listening", "expected"),
    [
        pytest.param("127.0.0.1", True, id="same"),
        pytest.param("0.0.0.0", True, id="any-v4-takes-all"),  # noqa: S104
        pytest.param("::", True, id="any-v6-takes-all"),
        pytest.param("10.0.0.1", False, id="other-address"),
    ],
)
def test_conflicts_follow_the_rules_of_bind(listening, expected):
    listener = ports.Listener(listening, 5005, "1")
    assert ports.conflicts(listener, address="127.0.0.1", port=5005) is expected


def test_free_ports_differ_and_can_be_bound_at_once():
    found = ports.free(20)
    assert len(set(found)) == 20
    with contextlib.ExitStack() as held:
        for port in found:
            held.enter_context(socket.create_server(("127.0.0.1", port)))


def test_holder_is_named_with_its_process_id():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"(pid {os.getpid()})" in ports.holder("127.0.0.1", port=port)
    assert ports.holder("127.0.0.1", port=port) is None
