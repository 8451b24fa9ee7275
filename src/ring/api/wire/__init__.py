"""The JSON of the API: bodies it takes, objects it gives, with their keys, order and presence.

One module for each noun. Shapes are declared once, here; the mapping functions are checked against
them, and the API description is made of them.
"""

from ring.api.wire.base import JSON, Body, ProblemShape, answer, parse, schemas
from ring.api.wire.deployments import MASK, DeploymentShape, deployment
from ring.api.wire.events import EventShape, event
from ring.api.wire.health_checks import HealthCheckShape, health_check
from ring.api.wire.logs import LogShape, log
from ring.api.wire.namespaces import NamespaceBody, NamespaceShape, namespace
from ring.api.wire.sessions import LoginBody, LoginShape
from ring.api.wire.system import HealthShape, NodeShape, node
from ring.api.wire.usage import UsageShape, usage

__all__ = [
    "JSON",
    "MASK",
    "Body",
    "DeploymentShape",
    "EventShape",
    "HealthCheckShape",
    "HealthShape",
    "LogShape",
    "LoginBody",
    "LoginShape",
    "NamespaceBody",
    "NamespaceShape",
    "NodeShape",
    "ProblemShape",
    "UsageShape",
    "answer",
    "deployment",
    "event",
    "health_check",
    "log",
    "namespace",
    "node",
    "parse",
    "schemas",
    "usage",
]
