"""`ring top`: what all running instances use, looked at again and again."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import click

from ring.cli.amounts import decimal, size
from ring.cli.failures import CommandFailed
from ring.cli.options import namespaces_option, output_option
from ring.cli.polling import polling
from ring.cli.rows import mapping
from ring.cli.session import Session, current
from ring.cli.tables import grid
from ring.cli.text import compact, one_line
from ring.cli.tree import RingCommand
from ring.cli.usage import Sample, take
from ring.clock import SystemClock, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ring.cli.polling import PollingClient

HEADERS = (
    "Namespace",
    "Deployment",
    "Instance",
    "CPU %",
    "Memory",
    "Limit",
    "Net rx",
    "Net tx",
    "Disk read",
    "Disk write",
    "PIDs",
)
SUMMED = tuple("Instances" if header == "Instance" else header for header in HEADERS)
INTERVAL = "2s"
LEAST_S = 0.5
_AROUND = 4
"""Lines of a screen besides the rows, of which each has two: itself and the rule under it."""
_CLEAR = "\x1b[H\x1b[J"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"


@click.command("top", cls=RingCommand)
@namespaces_option
@click.option(
    "--by",
    type=click.Choice(["instance", "deployment"]),
    default="instance",
    help="One line for each of these (default: instance).",
)
@click.option(
    "--interval",
    default=INTERVAL,
    metavar="DURATION",
    help=f"Look again after this long, such as 500ms or 10s (default: {INTERVAL}).",
)
@click.option("--once", is_flag=True, help="Look once, and leave.")
@output_option
def top(namespaces: tuple[str, ...], by: str, interval: str, *, once: bool) -> None:
    """Show what the running instances use now, most CPU first.

    Looks again until it is stopped: at a terminal in one place, elsewhere one table under the
    other, with -o json one object a line. Network and disk are what an instance has moved since it
    was started.
    """
    pause_s = _interval_s(interval)
    session = current()
    with polling(session) as client:
        screen = _Screen(session, interval, is_summed=by == "deployment", is_live=not once)
        samples = take(client, namespaces, is_summed=screen.is_summed)
        with screen.prepared():
            screen.show(samples)
            while not once and not session.out.closed:
                session.pause(pause_s)
                _again(client, namespaces, screen)


def _interval_s(text: str) -> float:
    from ring.core.model.quantities import QuantityError, parse_duration

    try:
        seconds = parse_duration(text) / 1000
    except QuantityError as error:
        raise click.UsageError(f"Invalid value for '--interval': {error.message}.") from error
    if seconds < LEAST_S:
        raise click.UsageError(f"Invalid value for '--interval': '{text}' is less than 500ms.")
    return seconds


def _again(client: PollingClient, namespaces: tuple[str, ...], screen: _Screen) -> None:
    """A look that fails is told, and outlasted."""
    try:
        samples = take(client, namespaces, is_summed=screen.is_summed)
    except CommandFailed as failure:
        screen.fail(failure)
    else:
        screen.show(samples)


class _Screen:
    def __init__(self, session: Session, interval: str, *, is_summed: bool, is_live: bool) -> None:
        self._session = session
        self._interval = interval
        self.is_summed = is_summed
        self._is_live = is_live and session.out.is_terminal and not session.json
        """It is drawn over again and again."""
        self._trouble = ""

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """The terminal wraps no lines; as before on leaving, also when a signal ends us."""
        if not self._is_live:
            yield
            return
        from ring.cli.raw_terminal import restored

        with restored(_wrap_again):
            try:
                self._session.out.write(_NO_WRAP)
                yield
            finally:
                self._session.out.write(_WRAP)

    def show(self, samples: Sequence[Sample]) -> None:
        self._trouble = ""
        out = self._session.out
        if self._session.json:
            now = rfc3339(SystemClock().wall())
            out.line(compact({"at": now, "samples": [one.json() for one in samples]}))
        elif self._is_live:
            out.write(f"{_CLEAR}{self._summary(samples)}\n{self._table(samples)}\n")
        else:
            out.line(self._table(samples))

    def fail(self, failure: CommandFailed) -> None:
        if failure.message != self._trouble:
            self._trouble = failure.message
            self._session.fail(failure)

    def _summary(self, samples: Sequence[Sample]) -> str:
        count = sum(int(one.instance) for one in samples) if self.is_summed else len(samples)
        cpu = decimal(sum(one.cpu for one in samples), 1)
        memory = size(sum(one.memory_bytes for one in samples))
        return (
            f"{count} instances, {cpu} % CPU, {memory} memory "
            f"(every {one_line(self._interval)}; Ctrl-C ends)"
        )

    def _table(self, samples: Sequence[Sample]) -> str:
        shown, rest = samples, ""
        if self._is_live:
            room = max(1, (shutil.get_terminal_size().lines - _AROUND - 1) // 2)
            shown = samples[:room]
            if len(samples) > room:
                rest = f"\n{len(samples) - room} more"
        headers = SUMMED if self.is_summed else HEADERS
        return grid(headers, map(_cells, shown), self._session.out) + rest


def _wrap_again() -> None:
    """By itself: in a signal's handler, what the stream has begun to write is not to be met."""
    with suppress(OSError):
        os.write(1, _WRAP.encode())


def _cells(sample: Sample) -> tuple[object, ...]:
    figures = sample.figures
    memory, network = mapping(figures.get("memory")), mapping(figures.get("network"))
    disk, pids = mapping(figures.get("disk_io")), mapping(figures.get("pids"))
    return (
        sample.namespace,
        sample.deployment,
        sample.instance,
        decimal(sample.cpu, 1),
        size(memory.get("usage_bytes")),
        size(memory.get("limit_bytes")),
        size(network.get("rx_bytes")),
        size(network.get("tx_bytes")),
        size(disk.get("read_bytes")),
        size(disk.get("write_bytes")),
        pids.get("current"),
    )
