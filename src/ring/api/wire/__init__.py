"""The JSON of the API: bodies it takes, objects it gives, with their keys, order and presence.

One module for each noun. Shapes are declared once, here; the mapping functions are checked against
them, and the API description is made of them.
"""

from ring.api.wire.audit import AuditShape, audit
from ring.api.wire.base import (
    JSON,
    Body,
    ProblemShape,
    answer,
    answer_list,
    answer_of,
    encoded,
    moment,
    parse,
    schemas,
)
from ring.api.wire.configs import ConfigBody, ConfigValueBody, StoredConfigShape, config
from ring.api.wire.deployments import DeploymentShape, deployment
from ring.api.wire.events import EventShape, event
from ring.api.wire.health_checks import HealthCheckShape, health_check
from ring.api.wire.logs import LogShape, log
from ring.api.wire.namespaces import NamespaceBody, NamespaceShape, namespace
from ring.api.wire.secrets import (
    DeletedSecretShape,
    NewSecretShape,
    SecretBody,
    SecretShape,
    SecretValueBody,
    deleted_secret,
    new_secret,
    secret,
)
from ring.api.wire.sessions import LoginBody, LoginShape
from ring.api.wire.system import HealthShape, NodeShape, node
from ring.api.wire.tokens import (
    CreatedTokenShape,
    TicketBody,
    TicketShape,
    TokenBody,
    TokenShape,
    created_token,
    token,
)
from ring.api.wire.usage import UsageShape, usage
from ring.api.wire.users import AccountShape, UserBody, UserChangeBody, user
from ring.api.wire.volumes import RegisteredVolumeShape, VolumeBody, volume
from ring.api.wire.webhooks import (
    DeliveryShape,
    NewWebhookShape,
    WebhookBody,
    WebhookShape,
    delivery,
    new_webhook,
    webhook,
)

__all__ = [
    "JSON",
    "AccountShape",
    "AuditShape",
    "Body",
    "ConfigBody",
    "ConfigValueBody",
    "CreatedTokenShape",
    "DeletedSecretShape",
    "DeliveryShape",
    "DeploymentShape",
    "EventShape",
    "HealthCheckShape",
    "HealthShape",
    "LogShape",
    "LoginBody",
    "LoginShape",
    "NamespaceBody",
    "NamespaceShape",
    "NewSecretShape",
    "NewWebhookShape",
    "NodeShape",
    "ProblemShape",
    "RegisteredVolumeShape",
    "SecretBody",
    "SecretShape",
    "SecretValueBody",
    "StoredConfigShape",
    "TicketBody",
    "TicketShape",
    "TokenBody",
    "TokenShape",
    "UsageShape",
    "UserBody",
    "UserChangeBody",
    "VolumeBody",
    "WebhookBody",
    "WebhookShape",
    "answer",
    "answer_list",
    "answer_of",
    "audit",
    "config",
    "created_token",
    "deleted_secret",
    "delivery",
    "deployment",
    "encoded",
    "event",
    "health_check",
    "log",
    "moment",
    "namespace",
    "new_secret",
    "new_webhook",
    "node",
    "parse",
    "schemas",
    "secret",
    "token",
    "usage",
    "user",
    "volume",
    "webhook",
]
