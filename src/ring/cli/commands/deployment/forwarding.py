"""`ring deployment port-forward`: a port of an instance as if it were one of this machine."""

from __future__ import annotations

import errno
import re
import selectors
import socket
import struct
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

from ring.cli.failures import CommandFailed, exit_code, item_failed
from ring.cli.problems import detail
from ring.cli.refs import deployment_id
from ring.cli.session import Session, current
from ring.cli.tree import RingCommand

if TYPE_CHECKING:
    from ring.cli.client import Response

_PORTS = re.compile(r"(?:(\d{0,5}):)?(\d{1,5})", re.ASCII)
_MOST = 65535
_UPGRADE = 426
_BACKLOG = 128
_AT_ONCE = struct.pack("ii", 1, 0)


class Mapping(NamedTuple):
    local: int
    """0: any that is free."""
    remote: int


def _mappings(
    context: click.Context, parameter: click.Parameter, given: tuple[str, ...]
) -> tuple[Mapping, ...]:
    return tuple(map(_mapping, given))


def _mapping(text: str) -> Mapping:
    found = _PORTS.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"'{text}' is not [LOCAL:]REMOTE")
    remote = int(found[2])
    local = remote if found[1] is None else int(found[1] or 0)
    if not 1 <= remote <= _MOST or local > _MOST:
        raise click.BadParameter(f"'{text}' has a port that is not from 1 to {_MOST}")
    return Mapping(local, remote)


@click.command("port-forward", cls=RingCommand)
@click.argument("deployment", metavar="ID")
@click.argument(
    "mappings", nargs=-1, required=True, metavar="[LOCAL:]REMOTE...", callback=_mappings
)
@click.option(
    "-i",
    "--instance",
    metavar="TEXT",
    default="",
    help="To the instance whose name has this, or whose id begins with it "
    "(default: the newest that is ready, for each connection).",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    default="127.0.0.1",
    help="Listen on this address of this machine (default: 127.0.0.1).",
)
def port_forward(
    deployment: str, mappings: tuple[Mapping, ...], instance: str, address: str
) -> None:
    """Reach a port of a running instance that is not published.

    Listens on LOCAL (default: the same port; empty: any that is free) and carries every connection
    through the server to the instance, until it is stopped. TCP only.
    """
    session = current()
    forwarding = _Forwarding(session, deployment, instance)
    forwarding.expect(mappings[0].remote)
    with ExitStack() as stack:
        listeners = {
            stack.enter_context(_listening(address, each.local)): each.remote for each in mappings
        }
        for listener, remote in listeners.items():
            host, port = listener.getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            session.print(f"Forwarding {shown}:{port} to port {remote} of {deployment}")
        forwarding.accept(listeners)


def _listening(address: str, port: int) -> socket.socket:
    """Raises CommandFailed."""
    try:
        found = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
        )
    except OSError as error:
        raise CommandFailed(f"error: '{address}' is not an IP address of this machine") from error
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise CommandFailed(f"error: {_unbound(address, port, error)}") from error
    return listener


def _unbound(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {address} is in use: give another as LOCAL:REMOTE"
    if error.errno == errno.EACCES:
        return f"you may not listen on port {port}: give one above 1023 as LOCAL:REMOTE"
    return f"cannot listen on port {port} of {address}: {(error.strerror or 'failed').lower()}"


class _Forwarding:
    def __init__(self, session: Session, typed: str, instance: str) -> None:
        self._session = session
        self._typed = typed
        self._instance = instance
        self._said = ""
        """The last trouble: the same is not said twice in a row."""
        self._lock = threading.Lock()

    def expect(self, port: int) -> None:
        """Raises CommandFailed where nothing can be forwarded by us, whatever runs."""
        found = deployment_id(self._session, self._typed)
        response = self._session.client.get(
            "deployments", found, "port-forward", query=self._query(port)
        )
        if response.status != _UPGRADE:
            raise _refused(self._typed, response)

    def accept(self, listeners: dict[socket.socket, int]) -> NoReturn:
        """Each connection in a thread of its own, which does not outlive us."""
        with selectors.DefaultSelector() as selector:
            for listener, remote in listeners.items():
                selector.register(listener, selectors.EVENT_READ, (listener, remote))
            while True:
                for key, _ in selector.select():
                    listener, remote = key.data
                    local, _ = listener.accept()
                    threading.Thread(target=self._carry, args=(local, remote), daemon=True).start()

    def _query(self, port: int) -> list[tuple[str, str]]:
        query = [("port", str(port))]
        return [*query, ("instance", self._instance)] if self._instance else query

    def _carry(self, local: socket.socket, port: int) -> None:
        """To whatever the name stands for now: what it stood for may have been replaced."""
        with local:
            try:
                self._carried(local, port)
            except CommandFailed as failure:
                # Broken off, it is not to look like an answer that is whole.
                local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                self._tell(failure)
            else:
                self._said = ""

    def _carried(self, local: socket.socket, port: int) -> None:
        from ring.cli.channel import opened
        from ring.cli.forwarded import Forwarded

        found = deployment_id(self._session, self._typed)
        query = self._query(port)
        segments = ("deployments", found, "port-forward")
        with opened(self._session, *segments, query=query) as (response, channel):
            if channel is None:
                raise _refused(self._typed, response)
            Forwarded(channel, local).run()

    def _tell(self, failure: CommandFailed) -> None:
        with self._lock:
            if failure.message != self._said:
                self._said = failure.message
                self._session.fail(failure)


def _refused(typed: str, response: Response) -> CommandFailed:
    status, why = response.status, detail(response)
    if status in {400, 409, 502} and why:
        return CommandFailed(f"error: {why}", exit_code(status))
    failed = item_failed("deployment", typed, status, why)
    if status == 403 and why:
        return CommandFailed(f"{failed.message} ({why})", failed.code)
    return failed
