"""Webhooks: list, make, revoke, and what was sent to one."""

from __future__ import annotations

import secrets
from itertools import islice
from typing import TYPE_CHECKING

from starlette.responses import Response

from ring.api import bodies, wire
from ring.api.problems import Problem, invalid
from ring.api.queries import number
from ring.api.routing import Doc, Guarded
from ring.core.access import Scope
from ring.core.bounds import MOST_VIOLATIONS
from ring.core.rules.identity import NAMESPACE
from ring.core.violations import Violation, quoted
from ring.core.webhooks import kinds
from ring.security import destinations
from ring.store.store import Author

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ring.api.calls import Call, Caller
    from ring.api.routing import Route
    from ring.store.webhooks import Webhook

_SECRET_LENGTH = range(1, 1025)
_MOST_NAMESPACES = 1000
_DEFAULT = 50
_CAP = 200


async def list_webhooks(call: Call) -> Response:
    hooks = call.services.store.webhooks.all()
    return await wire.answer_list(
        (hook for hook in hooks if _reaches(call.caller, hook)), wire.webhook
    )


async def create_webhook(call: Call) -> Response:
    body = wire.parse(await bodies.read(call.request), wire.WebhookBody)
    violations = list(islice(_violations(body), MOST_VIOLATIONS))
    if violations:
        raise invalid(violations)
    namespaces = list(dict.fromkeys(body.namespaces)) or list(call.caller.token.namespaces)
    for namespace in namespaces:
        call.caller.enter(namespace)
    secret = f"whsec_{secrets.token_hex(32)}" if body.secret is None else body.secret
    hook = await call.services.store.webhooks.create(
        body.url,
        events=list(dict.fromkeys(body.events)),
        namespaces=namespaces,
        secret=secret,
        author=_author(call),
    )
    return wire.answer(wire.new_webhook(hook, secret), status=201)


async def delete_webhook(call: Call) -> Response:
    """What is on its way to it is dropped; what was sent stays to be read."""
    await call.services.store.webhooks.revoke(_existing(call), _author(call))
    return Response(status_code=204)


async def list_deliveries(call: Call) -> Response:
    """Newest first; of a revoked one, too."""
    hook = _existing(call)
    limit = number(call.request, "limit", default=_DEFAULT, cap=_CAP)
    entries = call.services.store.webhooks.history(hook.id, limit)
    return await wire.answer_list(entries, wire.delivery)


def _existing(call: Call) -> Webhook:
    """Raises 404, and 403 for one that tells more than the caller may know."""
    hook = call.services.store.webhooks.get(call.params["id"])
    if hook is None:
        raise Problem(404, "webhook not found")
    if not _reaches(call.caller, hook):
        for namespace in hook.namespaces or ():
            call.caller.enter(namespace)
        raise Problem(403, "token is not scoped to every namespace, as this webhook is")
    return hook


def _reaches(caller: Caller, hook: Webhook) -> bool:
    """A hook without namespaces tells of all of them."""
    if not caller.token.namespaces:
        return True
    return bool(hook.namespaces) and all(caller.sees(name) for name in hook.namespaces or ())


def _author(call: Call) -> Author:
    return Author(call.caller.token.user.id, may_create_namespace=False)


def _violations(body: wire.WebhookBody) -> Iterator[Violation]:
    try:
        destinations.check(body.url)
    except destinations.Refused as error:
        yield Violation("url", "webhook.url.format", f"cannot be used: {error.message}")
    for event in dict.fromkeys(body.events):
        complaint = kinds.complaint(event)
        if complaint is not None:
            yield Violation("events", "webhook.events.unknown", complaint)
    if body.secret is not None and len(body.secret) not in _SECRET_LENGTH:
        yield Violation(
            "secret",
            "webhook.secret.length",
            f"must have 1 to 1024 characters, has {len(body.secret)}",
        )
    if len(body.namespaces) > _MOST_NAMESPACES:
        message = f"must be no more than {_MOST_NAMESPACES} names"
        yield Violation("namespaces", "webhook.namespaces.format", message)
    for name in dict.fromkeys(body.namespaces):
        if not (2 <= len(name) <= 63 and NAMESPACE.fullmatch(name)):
            yield Violation(
                "namespaces",
                "webhook.namespaces.format",
                "must be 2 to 63 lower-case letters, digits or '-', with a letter or digit first "
                f"and last, not {quoted(name)}",
            )


ROUTES: tuple[Route, ...] = (
    Guarded(
        "GET",
        "/webhooks",
        list_webhooks,
        Doc(
            "List webhooks, newest first, revoked ones included",
            gives=wire.WebhookShape,
            listed=True,
        ),
        Scope.WEBHOOKS_READ,
    ),
    Guarded(
        "POST",
        "/webhooks",
        create_webhook,
        Doc(
            "Make a webhook; its secret is shown once",
            takes=wire.WebhookBody,
            gives=wire.NewWebhookShape,
            statuses=(201,),
            refusals=(409,),
        ),
        Scope.WEBHOOKS_WRITE,
    ),
    Guarded(
        "DELETE",
        "/webhooks/{id}",
        delete_webhook,
        Doc("Revoke a webhook", statuses=(204,)),
        Scope.WEBHOOKS_WRITE,
    ),
    Guarded(
        "GET",
        "/webhooks/{id}/events",
        list_deliveries,
        Doc(
            "What was sent to a webhook, newest first",
            gives=wire.DeliveryShape,
            listed=True,
            query=("limit",),
        ),
        Scope.WEBHOOKS_READ,
    ),
)
