"""The one thread that brings the alerts of the spool to one place."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import structlog

from metatap.sinks.transport import Sent, Transport, TransportError
from metatap.spool.backoff import Backoff
from metatap.spool.claim import Outcome
from metatap.spool.prepare import FILTERED, Accepts, Encode, Parcel, prepare
from metatap.spool.seldom import Seldom
from metatap.spool.spool import Spool

MAX_BYTES = 4 * 2**20
"""Bytes of the alerts of one `send`, about."""

INTERNAL = "internal"
"""Reason for an error of ours: the transport raised what it must not."""

PARTIAL = "partial"
"""Reason for a try of which the receiver took only the first alerts."""

_IDLE_S = 0.25
"""Seconds between two looks whether the end has come."""

_AGAIN_S = 0.2
"""Seconds until the spool is asked again that has something and gave nothing."""

_GRACE_S = 0.5
"""Seconds that the thread has for its end beyond what it was given."""

log = structlog.get_logger(__name__)


class Delivery:
    """Reads, filters, encodes, sends and acknowledges, in the spool's order.

    A receiver that fails is tried again for ever, after pauses that grow (`Backoff`); no alert is
    dropped for it, and no other sink waits for it.

    Attributes:
        sink: Name of the sink in the spool; what became of its alerts is in `Spool.claims`.
        errors: Reason → tries to send that failed.
        resent: Alerts sent again, which the receiver may have twice.
    """

    def __init__(
        self,
        spool: Spool,
        sink: str,
        transport: Transport,
        *,
        accepts: Accepts | None = None,
        encode: Encode | None = None,
        random: Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """A delivery that does nothing before `start`.

        Args:
            spool: Where the alerts are.
            sink: Name of one of its sinks; nobody else reads for it.
            transport: The way to the place; closed at the end.
            accepts: The sink's filter on the ECS document; None: it takes all.
            encode: ECS document → the sink's format; None: ECS as it is.
            random: Of the pauses.
            monotonic: Clock of the end and of the log, s.
        """
        self.sink = sink
        self.errors: Counter[str] = Counter()
        self.resent = 0
        self._spool = spool
        self._transport = transport
        self._accepts = accepts
        self._encode = encode
        self._monotonic = monotonic
        self._backoff = Backoff(random or Random())  # noqa: S311 - spreads load, hides nothing
        self._seldom = Seldom(monotonic)
        self._wake = threading.Event()
        self._until: float | None = None
        self._tried = 0
        self._said = False
        self._thread = threading.Thread(target=self._run, name=f"deliver {sink}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def reopen(self) -> None:
        """Take the place anew and, if it failed, try it at once."""
        self._transport.reopen()
        self._wake.set()

    def stop(self, patience: float) -> int:
        """Deliver what waits for some time, then end; what is left stays in the spool.

        Args:
            patience: Seconds.

        Returns:
            Alerts left.
        """
        self._until = self._monotonic() + patience
        self._wake.set()
        self._spool.wake()
        if self._thread.ident is None:
            self._transport.close()
        else:
            self._thread.join(patience + _GRACE_S)
        left = self._spool.claims[self.sink].waiting
        if self._thread.is_alive():
            log.warning("delivery_stuck", sink=self.sink)
        if left:
            log.info("alerts_left_in_spool", sink=self.sink, alerts=left)
        return left

    def _run(self) -> None:
        while self._goes_on():
            try:
                self._step()
            except Exception:
                self.errors[INTERNAL] += 1
                if times := self._seldom.due("step"):
                    log.exception("delivery_failed", sink=self.sink, times=times)
                self._pause(self._backoff.failed())
        self._spool.release(self.sink)
        self._transport.close()

    def _goes_on(self) -> bool:
        """Whether there is no end yet, or something waits and there is time for it."""
        if self._until is None:
            return True
        return self._monotonic() < self._until and self._spool.claims[self.sink].waiting > 0

    def _step(self) -> None:
        """Deliver one batch, or wait for one."""
        if not self._spool.wait(self.sink, _IDLE_S):
            return
        entries = self._spool.read(self.sink, self._transport.batch, MAX_BYTES)
        if entries:
            self._deliver([prepare(entry, self._accepts, self._encode) for entry in entries])
        else:
            self._pause(_AGAIN_S)

    def _deliver(self, parcels: Sequence[Parcel]) -> None:
        """Send a batch until all of it is settled, or the end has come."""
        while parcels and self._goes_on():
            sent = self._send([parcel for parcel in parcels if parcel.record is not None])
            if sent is not None:
                parcels = parcels[self._settle(parcels, sent) :]
                if parcels:
                    self._pause(self._backoff.failed())

    def _send(self, parcels: Sequence[Parcel]) -> Sent | None:
        """Try once; None, after a pause, if nothing is known to have arrived."""
        if not parcels:
            return Sent(0)
        self.resent += sum(parcel.seq <= self._tried for parcel in parcels)
        self._tried = max(self._tried, parcels[-1].seq)
        records = [parcel.record for parcel in parcels if parcel.record is not None]
        try:
            sent = self._transport.send(records)
        except TransportError as error:
            self._fail(error.reason, str(error), error.retry_after)
            return None
        except Exception as error:  # noqa: BLE001 - a fault of one transport stops nobody
            self._fail(INTERNAL, repr(error), None)
            return None
        if sent.done > 0:
            self._backoff.succeeded()
        if sent.done < len(records):
            self.errors[PARTIAL] += 1
        elif self._said:
            self._said = False
            log.info("sink_recovered", sink=self.sink)
        return sent

    def _settle(self, parcels: Sequence[Parcel], sent: Sent) -> int:
        """Acknowledge the first parcels, up to one that has to be sent again; how many."""
        dropped: Counter[str] = Counter()
        settled = index = 0
        for parcel in parcels:
            reason = parcel.reason
            if parcel.record is not None:
                if index >= sent.done:
                    break
                reason = sent.refused.get(index, "")
                index += 1
            if reason:
                dropped[reason] += 1
            settled += 1
        if settled:
            filtered = dropped.pop(FILTERED, 0)
            self._spool.ack(self.sink, parcels[settled - 1].seq, Outcome(filtered, dropped))
        for reason, alerts in dropped.items():
            if times := self._seldom.due(f"dropped {reason}", alerts):
                log.warning("alerts_dropped", sink=self.sink, reason=reason, alerts=times)
        return settled

    def _fail(self, reason: str, detail: str, retry_after: float | None) -> None:
        """Count and log a failure and leave the receiver alone for a while."""
        self.errors[reason] += 1
        pause = self._backoff.failed(retry_after)
        if times := self._seldom.due(reason):
            self._said = True
            log.warning(
                "sink_failed",
                sink=self.sink,
                reason=reason,
                error=detail,
                times=times,
                pause_s=round(pause, 1),
            )
        self._pause(pause)

    def _pause(self, seconds: float) -> None:
        """Wait; ended early by `reopen` and `stop`."""
        if self._until is not None:
            seconds = min(seconds, self._until - self._monotonic())
        self._wake.wait(max(0.0, seconds))
        self._wake.clear()
