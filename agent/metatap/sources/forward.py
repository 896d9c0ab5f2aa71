"""One place where Zeek is heard, for several processes: messages pass through unread.

A Zeek that connects to an agent knows one address, and only one process can bind it. The forwarder
binds it and hands each message to those that subscribe to its topic, at another address; their
subscriptions go to Zeek (`zmq_proxy`, XSUB and XPUB). Nothing is read or copied in Python. What a
slow process does not take is dropped at the high-water mark, and counted there as `lost`.
"""

from __future__ import annotations

import threading

import structlog
import zmq

from metatap.errors import SourceError
from metatap.sources.endpoint import Endpoint, address_of, attach, open_socket, open_to_zeek
from metatap.sources.options import WireOptions

_log = structlog.get_logger(__name__)


class Forwarder:
    """Forwards what is heard at an endpoint, in a thread of its own.

    Attributes:
        address: ZeroMQ address where Zeek is heard; the real port where it was bound to port 0.
    """

    def __init__(self, endpoint: Endpoint, options: WireOptions, feed: str) -> None:
        """Listen and forward at once.

        Args:
            endpoint: Where Zeek is heard.
            options: `rcvhwm` holds for each process, too.
            feed: ZeroMQ address where the processes connect.

        Raises:
            SourceError: one of the addresses can't be bound or connected to; names it.
        """
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        try:
            front = open_socket(self._context, zmq.XSUB, endpoint.address, options)
            attach(front, endpoint.address, bind=endpoint.bind)
            back = open_socket(self._context, zmq.XPUB, feed, options)
            back.sndhwm = options.rcvhwm
            attach(back, feed, bind=True)
            self._to_zeek = open_to_zeek(self._context, endpoint)
        except SourceError:
            self._context.destroy(linger=0)
            raise
        self.address = address_of(front)
        self._thread = threading.Thread(
            target=_forward, args=(front, back), name="forward", daemon=True
        )
        self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether nothing is forwarded any more."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """End the thread and free the sockets; idempotent."""
        if self._context.closed:
            return
        if self._to_zeek is not None:
            self._to_zeek.close(linger=0)
        self._context.term()
        self._thread.join()


def _forward(front: zmq.Socket[bytes], back: zmq.Socket[bytes]) -> None:
    """Until the context ends."""
    try:
        zmq.proxy(front, back)
    except zmq.ContextTerminated:
        pass
    except zmq.ZMQError as error:
        _log.error("forward_failed", reason=str(error))
    finally:
        front.close(linger=0)
        back.close(linger=0)
