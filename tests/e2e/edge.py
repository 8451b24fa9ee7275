"""A proxy before a story's deployments, and requests that go through it all the time."""

from __future__ import annotations

import http.client
import shlex
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from scripts.lib import edge
from scripts.lib.stream import Stream

from tests.e2e.polling import wait_until
from tests.e2e.ring import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.story import Story

SETTINGS = "/nginx.conf"
_OWN = "/tmp/nginx.conf"  # noqa: S108 - in its container
START = (
    "server=$(awk '/^nameserver/ { print $2; exit }' /etc/resolv.conf); "
    f'sed "s/127.0.0.11/${{server}}/" {SETTINGS} >{_OWN}; exec {shlex.join(edge.command(_OWN))}'
)
"""nginx asks whom every other program asks: the same address everywhere is Docker's alone."""


class Edge:
    """A deployment like the others; `/NAME/` is its neighbour of that name."""

    def __init__(self, story: Story) -> None:
        self.port = free_port()
        story.ring.ask("POST", "/namespaces", {"name": story.namespace})
        story.config("edge", conf=edge.settings())
        settings = {"type": "config", "source": "edge", "key": "conf", "destination": SETTINGS}
        binds = [
            {"type": "bind", "source": source, "destination": destination, "permission": "ro"}
            for source, destination in edge.binds()
        ]
        story.applied(
            story.worker(
                "edge",
                command=["sh", "-c", START],
                volumes=[settings, *binds],
                ports=[{"published": self.port, "target": 80}],
            )
        )

    def await_answer(self, *names: str) -> None:
        """Until each of them answers."""
        for name in names:
            wait_until(lambda name=name: self._answers(name), 20, f"{name} answers")  # type: ignore[misc]  # mypy cannot infer a lambda with a default

    def _answers(self, name: str) -> bool:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
            try:
                connection.request("GET", f"/{name}/")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False

    @contextmanager
    def asked(self, *paths: str, rate: int = 60) -> Iterator[Stream]:
        """So many new connections a second; ended with the block, unless it was before."""
        stream = Stream(self.port, paths, rate)
        try:
            stream.await_first()
            yield stream
        finally:
            stream.kill()


def unharmed(told: dict[str, Any]) -> set[str]:
    """Of a stream that must have lost nothing: the versions that answered."""
    assert told["sent"] > 0
    assert told["failed"] == 0, told
    return set(told["answers"])
