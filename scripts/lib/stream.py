#!/usr/bin/env python3
"""New HTTP connections at a steady rate, whatever becomes of those before; each must be answered.

    stream.py --port 8080 --path /web --path /api --rate 200

Says `begun` with the first one. Runs until SIGTERM, or until `--count` were sent, and prints a line
of JSON: how many were sent, how many failed and why, the first words of the answers with how often
each came, and the longest wait. A request has failed that is not answered by 200 and a whole body
in time. Standard library alone. `Stream` is the same as a process beside a test or a bench.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

WITHIN_S = 5.0
KEPT_FAILURES = 20


@dataclass(slots=True)
class Tally:
    sent: int = 0
    failures: list[str] = field(default_factory=list)
    failed: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0

    def fail(self, at: float, path: str, why: str) -> None:
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(f"{at:.3f} {path}: {why}")


async def send(port: int, paths: Sequence[str], rate: int, count: int) -> Tally:
    """Ends when all that were sent have ended. `count` 0: until SIGTERM."""
    tally, over = Tally(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, path in zip(itertools.count(), itertools.cycle(paths)):
            # By the clock and not after one another: what is late is made up for at once.
            late = time.monotonic() - began - number / rate
            if over.is_set() or (count and number >= count):
                break
            if late < 0:
                await asyncio.sleep(-late)
            tally.sent += 1
            group.create_task(_request(port, path, tally))
    return tally


async def _request(port: int, path: str, tally: Tally) -> None:
    at, began = time.time(), time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_S):
            answer = await _exchange(port, path)
    except TimeoutError:
        tally.fail(at, path, f"no answer within {WITHIN_S:g} s")
    except OSError as problem:
        tally.fail(at, path, f"{problem}")
    else:
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0] or not body.strip():
            tally.fail(at, path, head[:40].decode(errors="replace") or "an empty answer")
        else:
            tally.answers[body.split()[0].decode(errors="replace")] += 1
            tally.longest_s = max(tally.longest_s, time.monotonic() - began)


async def _exchange(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: edge\r\n\r\n".encode())
        return await reader.read(-1)
    finally:
        writer.close()


class Stream:
    """Runs from construction to `end`."""

    def __init__(self, port: int, paths: Sequence[str], rate: int, count: int = 0) -> None:
        chosen = [word for path in paths for word in ("--path", path)]
        numbers = ["--port", f"{port}", "--rate", f"{rate}", "--count", f"{count}"]
        self._process = subprocess.Popen(  # noqa: S603 - this file, with numbers and paths of ours
            [sys.executable, __file__, *numbers, *chosen],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )

    def await_first(self) -> None:
        """Returns once it sends. Before that it could not be ended in order."""
        if self._process.stdout is None:
            raise ValueError("its output is not read")
        self._process.stdout.readline()

    def end(self) -> dict[str, Any]:
        """What it counted. May be asked again."""
        self._process.terminate()
        return self.result()

    def result(self) -> dict[str, Any]:
        """Waits for the end of one with a count."""
        out, _ = self._process.communicate(timeout=120)
        found: dict[str, Any] = json.loads(out.splitlines()[-1])
        return found

    def kill(self) -> None:
        """Nothing happens when it has ended."""
        self._process.kill()
        self._process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", action="append", required=True)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--count", type=int, default=0)
    args = parser.parse_args()
    tally = asyncio.run(send(args.port, args.path, args.rate, args.count))
    told = {
        "sent": tally.sent,
        "failed": tally.failed,
        "failures": tally.failures,
        "answers": dict(tally.answers),
        "longest_s": round(tally.longest_s, 3),
    }
    sys.stdout.write(f"{json.dumps(told)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
