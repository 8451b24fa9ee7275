"""The API for a command that asks again and again: over one connection, kept between requests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ring.cli.client import Client, Response
from ring.cli.failures import Unreachable

if TYPE_CHECKING:
    import http.client
    from collections.abc import Iterable, Iterator

    from ring.cli.proxies import Proxy
    from ring.cli.session import Session


class PollingClient(Client):
    """Reads only: a request over a connection that has died meanwhile is sent again."""

    _kept: http.client.HTTPConnection | None = None

    def get(self, *segments: str, query: Iterable[tuple[str, str]] = ()) -> Response:
        query = tuple(query)
        was_open = self._kept is not None and self._kept.sock is not None
        try:
            return super().get(*segments, query=query)
        except Unreachable:
            if not was_open:
                raise
        return super().get(*segments, query=query)

    @contextmanager
    def _held(self, proxy: Proxy | None) -> Iterator[http.client.HTTPConnection]:
        if self._kept is None:
            self._kept = self._connection(proxy)
        try:
            yield self._kept
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the connection go; the next request opens another."""
        if self._kept is not None:
            self._kept.close()
        self._kept = None


@contextmanager
def polling(session: Session) -> Iterator[PollingClient]:
    """With the session's token. Raises CommandFailed when there is none."""
    client = PollingClient(session.context, session.require_token(), session.environ)
    try:
        yield client
    finally:
        client.close()
