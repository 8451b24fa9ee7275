"""A command that asks again and again does so over one connection."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from ring.cli.client import Client
from ring.cli.failures import Unreachable
from ring.cli.polling import PollingClient
from ring.settings import load_context

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Ring


class Counting(ThreadingHTTPServer):
    """Keeps connections open, as the API does, until it is told to drop them."""

    connections = 0
    drops = False
    """Without an answer."""
    says_so = False
    """In the head of an answer: this was the last on its connection."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Counting

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        if self.server.drops:
            self.server.drops = False
            self.close_connection = True
            return
        self.send_response(200)
        if self.server.says_so:
            self.send_header("Connection", "close")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Nothing on stderr: tests read it."""


@contextmanager
def counting(ring: Ring) -> Iterator[tuple[Counting, PollingClient]]:
    server = Counting(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    ring.config.write_text(
        f'[contexts.default]\nhost = "127.0.0.1"\napi.scheme = "http"\n'
        f"api.port = {server.server_address[1]}\n"
    )
    client = PollingClient(load_context(None, None, ring.environ), "t", ring.environ)
    try:
        yield server, client
    finally:
        client.close()
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_connection_is_kept(anyone: Ring) -> None:
    with counting(anyone) as (server, client):
        assert [client.get("namespaces").body for _ in range(5)] == [b"[]"] * 5
        assert server.connections == 1


def test_one_that_died_meanwhile_is_made_anew(anyone: Ring) -> None:
    with counting(anyone) as (server, client):
        client.get("namespaces")
        server.drops = True
        assert client.get("namespaces", query=[("a", "b")]).ok
        assert server.connections == 2


def test_one_that_the_server_ends_is_made_anew(anyone: Ring) -> None:
    with counting(anyone) as (server, client):
        server.says_so = True
        assert all(client.get("namespaces").ok for _ in range(3))
        assert server.connections == 3


def test_a_fresh_one_that_fails_is_a_failure(anyone: Ring) -> None:
    with counting(anyone) as (server, client):
        server.drops = True
        with pytest.raises(Unreachable, match=r"request to http://127\.0\.0\.1:\d+ failed"):
            client.get("namespaces")
        assert client.get("namespaces").ok


def test_other_commands_keep_none(anyone: Ring) -> None:
    with counting(anyone) as (server, _):
        client = Client(load_context(None, None, anyone.environ), "t", anyone.environ)
        assert all(client.get("namespaces").ok for _ in range(2))
        assert server.connections == 2
