"""A runtime in memory, for simulation and tests: an engine that outlives its clients.

FakeEngine is the outside: containers, images, networks, an event log, and requests that are
carried out whether or not whoever sent them still waits. FakeRuntime is one client's connection.
By default every request is carried out at once; a `Traffic` takes requests and events into its
own hands, to delay, lose, double or refuse them. It passes the contract suite of the real ones.
StockedRuntime tells of images, networks and volumes besides.
"""

from __future__ import annotations

from ring.runtimes.fake.engine import Container, FakeEngine
from ring.runtimes.fake.runtime import CAPABILITIES, FakeRuntime
from ring.runtimes.fake.stock import FakeStock, StockedRuntime
from ring.runtimes.fake.traffic import AtOnce, Request, Traffic

__all__ = [
    "CAPABILITIES",
    "AtOnce",
    "Container",
    "FakeEngine",
    "FakeRuntime",
    "FakeStock",
    "Request",
    "StockedRuntime",
    "Traffic",
]
