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
from ring.api.wire.commands import CommandBody, SizeBody
from ring.api.wire.configs import ConfigBody, ConfigValueBody, StoredConfigShape, config
from ring.api.wire.deployments import DeploymentShape, deployment
from ring.api.wire.events import EventShape, event
from ring.api.wire.health_checks import HealthCheckShape, health_check
from ring.api.wire.images import (
    ImagePruneBody,
    ImageShape,
    PrunedImagesShape,
    image,
    pruned_images,
)
from ring.api.wire.logs import LogShape, log, log_gap
from ring.api.wire.namespaces import (
    NamespaceBody,
    NamespaceNetworkBody,
    NamespaceShape,
    namespace,
)
from ring.api.wire.orphans import (
    OrphanRemovalBody,
    OrphanShape,
    OrphansRemovedShape,
    orphan,
    orphans_removed,
)
from ring.api.wire.revisions import (
    ChangeShape,
    DiffShape,
    RevisionShape,
    RowReasonShape,
    WhyShape,
    diff,
    revisions,
    why,
)
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
from ring.api.wire.verbs import ReasonBody, RollbackBody, ScaleBody
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
    "ChangeShape",
    "CommandBody",
    "ConfigBody",
    "ConfigValueBody",
    "CreatedTokenShape",
    "DeletedSecretShape",
    "DeliveryShape",
    "DeploymentShape",
    "DiffShape",
    "EventShape",
    "HealthCheckShape",
    "HealthShape",
    "ImagePruneBody",
    "ImageShape",
    "LogShape",
    "LoginBody",
    "LoginShape",
    "NamespaceBody",
    "NamespaceNetworkBody",
    "NamespaceShape",
    "NewSecretShape",
    "NewWebhookShape",
    "NodeShape",
    "OrphanRemovalBody",
    "OrphanShape",
    "OrphansRemovedShape",
    "ProblemShape",
    "PrunedImagesShape",
    "ReasonBody",
    "RegisteredVolumeShape",
    "RevisionShape",
    "RollbackBody",
    "RowReasonShape",
    "ScaleBody",
    "SecretBody",
    "SecretShape",
    "SecretValueBody",
    "SizeBody",
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
    "WhyShape",
    "answer",
    "answer_list",
    "answer_of",
    "audit",
    "config",
    "created_token",
    "deleted_secret",
    "delivery",
    "deployment",
    "diff",
    "encoded",
    "event",
    "health_check",
    "image",
    "log",
    "log_gap",
    "moment",
    "namespace",
    "new_secret",
    "new_webhook",
    "node",
    "orphan",
    "orphans_removed",
    "parse",
    "pruned_images",
    "revisions",
    "schemas",
    "secret",
    "token",
    "usage",
    "user",
    "volume",
    "webhook",
    "why",
]
