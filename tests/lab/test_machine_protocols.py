"""The small servers of the lab, spoken to over the loopback interface."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.lab import machine_protocols


@contextmanager
def connected(handler: type[socketserver.BaseRequestHandler]) -> Iterator[socket.socket]:
    """A connection to a server of its own, on a free port."""
    with machine_protocols._Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with socket.create_connection(("127.0.0.1", server.server_address[1]), 5) as sock:
                yield sock
        finally:
            server.shutdown()
            thread.join()


def test_a_message_in_two_segments_gets_one_answer_with_its_number() -> None:
    """A satellite's short segments cut a message anywhere."""
    message = b"\x0bMSH|^~\\&|M|W|H|H|20260101||ORU^R01|4711|P|2.5\rOBX|1\r\x1c\r"
    with connected(machine_protocols._Hl7) as sock:
        sock.sendall(message[:-2])
        sock.sendall(message[-2:])
        answer = sock.recv(4096)
    assert answer.startswith(b"\x0bMSH|")
    assert b"MSA|AA|4711" in answer
    assert answer.endswith(b"\x1c\r")


def test_registers_are_as_many_as_were_asked_for() -> None:
    """Function 3: the header says what follows it, the count its bytes."""
    with connected(machine_protocols._Modbus) as sock, sock.makefile("rb") as answers:
        for transaction, count in ((7, 1), (8, 60)):
            sock.sendall(struct.pack("!HHHBBHH", transaction, 0, 6, 1, 3, 100, count))
            head = struct.unpack("!HHHBBB", answers.read(9))
            assert head == (transaction, 0, 3 + 2 * count, 1, 3, 2 * count)
            values = struct.unpack(f"!{count}H", answers.read(2 * count))
            assert all(900 <= value < 1100 for value in values)
