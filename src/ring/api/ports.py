"""What the API needs of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.capabilities import Capabilities
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId
    from ring.core.model.observed import Instance
    from ring.engine.reading.logs import Logs
    from ring.engine.sampling.statistics import Statistics


class Engine(Protocol):
    """Everything but image_moved, logs and the live statistics answers from memory."""

    @property
    def logs(self) -> Logs: ...

    @property
    def statistics(self) -> Statistics: ...

    def capabilities(self) -> Mapping[str, Capabilities]:
        """Of the enabled runtimes, by name."""
        ...

    def instances(self, deployment_id: DeploymentId) -> tuple[Instance, ...]:
        """The running ones, with their address where it is known."""
        ...

    async def image_moved(self, deployment: Deployment) -> bool:
        """Whether the registry now has another digest under the tag. Waits at most 5 s; no answer
        is false."""
        ...


class Span(Protocol):
    """One request under way."""

    def end(self, status: int | None) -> None:
        """With the status that was answered; None: there was no answer."""
        ...


class Tracing(Protocol):
    """Whoever is told of every request."""

    def begin(self, method: str, route: str | None, path: str, headers: Mapping[str, str]) -> Span:
        """`route` is its template, None where nothing matched; `headers` the trace context's."""
        ...
