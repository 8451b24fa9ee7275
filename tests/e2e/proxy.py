"""A Unix socket in front of an engine's, on which single calls can be held, cut or falsified.

One call a connection: the engine is told to close after its answer, so that what happens to one
call happens to nothing else.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIECE = 64 * 1024
_VERSION = re.compile(r"^/v\d+\.\d+")


class Fate(Enum):
    """What becomes of a call."""

    PASS = auto()
    HANG = auto()
    """The engine never hears of it, the caller never gets an answer."""
    MUTE = auto()
    """The engine does it, the caller never gets the answer."""
    CUT = auto()
    """The engine never hears of it, the caller's connection is closed."""
    CUT_AFTER = auto()
    """The engine does it, the caller's connection is closed without an answer."""
    LATE = auto()
    """The engine hears of it when the rule is lifted, even if the caller has left by then."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Another answer than the engine's, which never hears of the call."""

    status: int
    body: bytes
    content_type: str = "application/json"
    missing: int = 0
    """So many bytes more are announced than come."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    number: int
    """Counts up from 1 over all calls of this proxy."""
    method: str
    path: str
    """Without the API version; with its query."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(slots=True, eq=False)
class Rule:
    """For calls whose `METHOD /path` has a match of the pattern, so many times."""

    pattern: re.Pattern[str]
    fate: Fate | Answer
    left: int
    met: list[Call] = field(default_factory=list)
    """The calls it was applied to."""
    lifted: threading.Event = field(default_factory=threading.Event)


class EngineProxy:
    """Open from construction to `close`. Its methods may be called from any thread."""

    def __init__(
        self,
        engine: Path,
        path: Path,
        decide: Callable[[Call], Fate | Answer] | None = None,
        withheld: Callable[[Call], None] | None = None,
    ) -> None:
        """Both are called on the call's own thread.

        `decide` is asked for every call that no rule is for; `withheld` is told when the engine
        has done a call whose caller gets no answer, before anything else becomes of it.
        """
        self.calls: list[Call] = []
        self._engine = engine
        self._decide = decide or (lambda _: Fate.PASS)
        self._withheld = withheld or (lambda _: None)
        self._rules: list[Rule] = []
        self._open: dict[socket.socket, str] = {}
        self._is_closed = False
        self._lock = threading.Lock()
        self._path = path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(f"{path}")
        self._listener.listen(128)
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"unix://{self._path}"

    def rule(self, pattern: str, fate: Fate | Answer, times: int = 1_000_000) -> Rule:
        """From now on; of several rules that match, the newest counts."""
        made = Rule(re.compile(pattern), fate, times)
        with self._lock:
            self._rules.append(made)
        return made

    def lift(self, rule: Rule) -> None:
        """No more calls meet it; those that hang are cut, those that are late go on."""
        with self._lock:
            rule.left = 0
            met = {f"{call}" for call in rule.met} if rule.fate is not Fate.LATE else set()
            hanging = [held for held, call in self._open.items() if call in met]
        rule.lifted.set()
        for held in hanging:
            _shut(held)

    def cut(self, pattern: str) -> int:
        """Closes the connections of the calls under way that match; how many those were."""
        with self._lock:
            found = [held for held, call in self._open.items() if re.search(pattern, call)]
        for held in found:
            _shut(held)
        return len(found)

    def close(self) -> None:
        """Cuts everything."""
        self._is_closed = True
        for rule in self._rules:
            rule.lifted.set()
        _shut(self._listener)
        self._listener.close()
        self.cut("")
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head, rest = _read_head(client)
            if not head:
                return
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            with self._lock:
                number = len(self.calls) + 1
                call = Call(number, method, _VERSION.sub("", target))
                self.calls.append(call)
                self._open[client] = f"{call}"
            try:
                fate, lifted = self._fate(call)
                if fate is Fate.LATE:
                    lifted.wait()
                    fate = Fate.CUT_AFTER if _has_left(client) else Fate.PASS
                    if self._is_closed:
                        fate = Fate.CUT
                self._carry_out(client, call, fate, head, rest)
            finally:
                with self._lock:
                    del self._open[client]

    def _fate(self, call: Call) -> tuple[Fate | Answer, threading.Event]:
        """What becomes of it, and what tells when its rule was lifted."""
        with self._lock:
            for rule in reversed(self._rules):
                if rule.left > 0 and rule.pattern.search(f"{call}"):
                    rule.left -= 1
                    rule.met.append(call)
                    return rule.fate, rule.lifted
        return self._decide(call), threading.Event()

    def _carry_out(
        self, client: socket.socket, call: Call, fate: Fate | Answer, head: bytes, rest: bytes
    ) -> None:
        match fate:
            case Fate.PASS:
                self._forward(client, head, rest, client)
            case Fate.MUTE | Fate.CUT_AFTER:
                self._forward(client, head, rest, None)
                self._withheld(call)
                if fate is Fate.MUTE:
                    _wait_for_end(client)
            case Fate.HANG:
                _wait_for_end(client)
            case Answer():
                client.sendall(_written(fate))

    def _forward(
        self, client: socket.socket, head: bytes, rest: bytes, receiver: socket.socket | None
    ) -> None:
        """The whole request there, the whole answer back (to nobody, where it is withheld)."""
        with socket.socket(socket.AF_UNIX) as engine:
            engine.connect(f"{self._engine}")
            engine.sendall(_closing(head) + rest)
            missing = _content_length(head) - len(rest)
            while missing > 0 and (piece := client.recv(min(PIECE, missing))):
                engine.sendall(piece)
                missing -= len(piece)
            if receiver is not None:
                # Whoever hangs up in the middle of a stream is to be noticed by the engine.
                threading.Thread(target=_shut_with, args=(client, engine), daemon=True).start()
            while piece := engine.recv(PIECE):
                if receiver is not None:
                    receiver.sendall(piece)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """The head with its empty line, and what came after it; nothing from a caller that left."""
    content = b""
    while b"\r\n\r\n" not in content:
        piece = client.recv(PIECE)
        if not piece:
            return b"", b""
        content += piece
    head, _, rest = content.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _content_length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length:\s*(\d+)", head)
    return int(found[1]) if found else 0


def _closing(head: bytes) -> bytes:
    first, _, fields = head.partition(b"\r\n")
    kept = re.sub(rb"(?im)^connection:.*\r\n", b"", fields)
    return first + b"\r\nConnection: close\r\n" + kept


def _written(answer: Answer) -> bytes:
    head = (
        f"HTTP/1.1 {answer.status} Falsified\r\nContent-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body) + answer.missing}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + answer.body


def _wait_for_end(client: socket.socket) -> None:
    """Until the caller, or somebody who cuts, closes the connection."""
    while client.recv(PIECE):
        pass


def _has_left(client: socket.socket) -> bool:
    waiting = select.poll()
    waiting.register(client, 0)
    return any(flags & select.POLLHUP for _, flags in waiting.poll(0))


def _shut_with(client: socket.socket, engine: socket.socket) -> None:
    with contextlib.suppress(OSError):
        _wait_for_end(client)
    _shut(engine)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
