"""The three signals from start to end: opened beside the loop, fed from it, flushed in time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

from ring.core.errors import HostError
from ring.telemetry.failures import Failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ring.core.model.deployment import Deployment
    from ring.core.model.usage import Snapshot
    from ring.settings.telemetry import SignalSettings, TelemetrySettings

log = logging.getLogger("ring.telemetry")

FLUSH_S = 3.0
"""For all signals together, at the end."""
EXTRA = "pip install 'ring-orchestrator[otlp]'"


class Span(Protocol):
    """One request under way."""

    def end(self, status: int | None) -> None:
        """With the status that was answered; None: there was no answer."""
        ...


class Signal(Protocol):
    """One that is exported."""

    def close(self, timeout_s: float) -> None:
        """Sends what is left. Blocks; waits no longer than that in each of its steps."""
        ...

    def give_up(self) -> None:
        """Breaks off what `close` still waits for, at once."""
        ...


S = TypeVar("S", bound=Signal)


class Traces(Signal, Protocol):
    def begin(
        self, method: str, route: str | None, path: str, headers: Mapping[str, str]
    ) -> Span: ...

    def passed(self, rows: Sequence[Deployment], began: datetime, ended: datetime) -> None: ...


class _Untraced:
    def end(self, status: int | None) -> None:
        return None


_UNTRACED = _Untraced()


class Telemetry:
    """One for a server. What is told before a signal is open, or after the end, is dropped."""

    def __init__(self, settings: TelemetrySettings, mono: Callable[[], float] = time.monotonic):
        self._settings = settings
        self._traces: Traces | None = None
        self._signals: list[Signal] = []
        self._failures = Failures(mono)

    @property
    def is_tracing(self) -> bool:
        """Whether spans are wanted at all."""
        return self._settings.traces.enabled

    async def open(self, snapshot: Callable[[], Snapshot]) -> None:
        """Builds what is enabled, on a thread. Raises nothing."""
        told = self._settings
        if told.traces.enabled or told.metrics.enabled or told.logs.enabled:
            await asyncio.to_thread(self._open, snapshot)

    async def close(self) -> None:
        """Sends what is left, at most FLUSH_S. A collector that hangs holds nobody up."""
        signals, self._signals, self._traces = self._signals, [], None
        if not signals:
            return
        ends = {_begun_to_close(one): one for one in signals}
        _, late = await asyncio.wait(ends, timeout=FLUSH_S)
        if late:  # first: what is given up complains of it
            self._failures.mute()
        else:
            self._failures.detach()
        for end in late:
            ends[end].give_up()

    def begin(self, method: str, route: str | None, path: str, headers: Mapping[str, str]) -> Span:
        """A request came in. `route` is its template, None where nothing matched."""
        if self._traces is None:
            return _UNTRACED
        return self._traces.begin(method, route, path, headers)

    def passed(self, rows: Sequence[Deployment], began: datetime, ended: datetime) -> None:
        """The scheduler looked at these rows of one group and had something to do."""
        if self._traces is not None:
            self._traces.passed(rows, began, ended)

    def _open(self, snapshot: Callable[[], Snapshot]) -> None:
        told = self._settings
        try:
            from ring.telemetry import signals
        except ImportError as error:
            log.error("OTLP export is off: %s is missing; install it by: %s", error.name, EXTRA)
            return
        self._failures.attach()
        if told.traces.enabled:
            self._traces = self._opened(
                "trace",
                told.traces,
                lambda: signals.Traces(told.traces, told.sampler, told.ratio),
            )
        if told.metrics.enabled:
            self._opened(
                "metrics",
                told.metrics,
                lambda: signals.Metrics(told.metrics, told.interval_s, snapshot),
                f", every {told.interval_s} s",
            )
        if told.logs.enabled:
            self._opened("log", told.logs, lambda: signals.Logs(told.logs))

    def _opened(
        self, what: str, told: SignalSettings, build: Callable[[], S], more: str = ""
    ) -> S | None:
        """None: it cannot be built, and the log says why."""
        try:
            _expect_endpoint(told.endpoint)
            signal = build()
        except Exception as error:  # noqa: BLE001 - whatever a library raises: never fatal
            log.error("OTLP %s export is off: %s", what, _words(error))
            return None
        self._signals.append(signal)
        log.info("OTLP %s export enabled (%s%s)", what, shown(told.endpoint), more)
        return signal


def _begun_to_close(signal: Signal) -> asyncio.Future[None]:
    """Done once it is closed, on a thread that the interpreter does not wait for at its end."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[None] = loop.create_future()

    def close() -> None:
        try:
            signal.close(FLUSH_S)
        except Exception as error:  # noqa: BLE001 - on the way down nothing of it matters any more
            log.debug("the end of an export failed: %s", error)
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(end.set_result, None)

    threading.Thread(target=close, name="ring-telemetry-end", daemon=True).start()
    return end


def _words(error: Exception) -> str:
    return error.message if isinstance(error, HostError) else f"{type(error).__name__}: {error}"


def _expect_endpoint(endpoint: str) -> None:
    """Raises HostError, ValueError."""
    parts = urlsplit(endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise HostError(
            f"endpoint '{shown(endpoint)}' is not http://HOST:PORT or https://HOST:PORT"
        )
    _ = parts.port  # raises where it is no port


def shown(endpoint: str) -> str:
    """Without credentials that somebody wrote into it."""
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
