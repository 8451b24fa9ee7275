"""Webhooks and what was sent to them, on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from typing_extensions import TypedDict

from ring.api.wire.base import Body, Texts, moment
from ring.clock import rfc3339

if TYPE_CHECKING:
    from ring.store.webhooks import Delivery, Webhook


class WebhookBody(Body):
    url: str
    events: Texts = Field(default_factory=list)
    secret: str | None = Field(default=None, repr=False)
    namespaces: Texts = Field(default_factory=list)


class NewWebhookShape(TypedDict):
    """The only answer with the secret."""

    id: str
    url: str
    events: list[str]
    secret: str
    created_at: str
    message: str
    namespaces: list[str]


class WebhookShape(TypedDict):
    id: str
    url: str
    events: list[str]
    created_at: str
    revoked_at: str | None
    namespaces: list[str]


class DeliveryShape(TypedDict):
    id: str
    kind: str
    payload: str
    status: str
    attempts: int
    next_attempt_at: str
    last_error: str | None
    created_at: str
    updated_at: str | None


def new_webhook(hook: Webhook, secret: str) -> NewWebhookShape:
    return {
        "id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "secret": secret,
        "created_at": rfc3339(hook.created_at),
        "message": "Keep the secret now: it is not shown again",
        "namespaces": list(hook.namespaces or ()),
    }


def webhook(hook: Webhook) -> WebhookShape:
    return {
        "id": hook.id,
        "url": hook.url,
        "events": list(hook.events),
        "created_at": rfc3339(hook.created_at),
        "revoked_at": moment(hook.revoked_at),
        "namespaces": list(hook.namespaces or ()),
    }


def delivery(entry: Delivery) -> DeliveryShape:
    return {
        "id": entry.event_id,
        "kind": entry.kind,
        "payload": entry.payload,
        "status": entry.status,
        "attempts": entry.attempts,
        "next_attempt_at": rfc3339(entry.next_attempt_at),
        "last_error": entry.last_error,
        "created_at": rfc3339(entry.created_at),
        "updated_at": moment(entry.updated_at),
    }
