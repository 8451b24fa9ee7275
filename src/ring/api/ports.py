"""What the API needs of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.core.model.capabilities import Capabilities
    from ring.core.model.deployment import Deployment
    from ring.core.model.ids import DeploymentId, GroupKey
    from ring.core.model.observed import Instance
    from ring.core.plan.explaining import Explained
    from ring.engine.entering import Entering
    from ring.engine.keeping.images import Images
    from ring.engine.keeping.orphans import Orphans
    from ring.engine.reading.logs import Logs
    from ring.engine.sampling.statistics import Statistics


class Engine(Protocol):
    """Everything but image_moved, images, logs, orphans, sessions and the live statistics
    answers from memory."""

    @property
    def logs(self) -> Logs: ...

    @property
    def statistics(self) -> Statistics: ...

    @property
    def images(self) -> Images: ...

    @property
    def entering(self) -> Entering: ...

    @property
    def orphans(self) -> Orphans: ...

    def capabilities(self) -> Mapping[str, Capabilities]:
        """Of the enabled runtimes, by name."""
        ...

    def instances(self, deployment_id: DeploymentId) -> tuple[Instance, ...]:
        """The running ones, with their address where it is known."""
        ...

    def explain(self, key: GroupKey) -> Explained | None:
        """Where a group stands, and why; None: it has no rows."""
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
