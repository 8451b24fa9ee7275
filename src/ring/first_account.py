"""The account `admin` of a first start, and its default password, which never leaves loopback."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING

from ring.core.accounts import PASSWORD_LENGTH
from ring.core.errors import HostError, RingError
from ring.process import REFUSING
from ring.security.passwords import hash_password, matches

if TYPE_CHECKING:
    from ring.settings import ServerSettings
    from ring.store.store import Store

log = logging.getLogger("ring.server")

DEFAULT_PASSWORD = "changeme"  # noqa: S105 - the documented first password, refused off loopback


async def guard_admin(store: Store, settings: ServerSettings) -> None:
    """Seeds `admin` on a first start; keeps the default password off every other address.

    Told before the account exists. Where only this machine can ask, an account that exists is
    looked at later: a hash costs a tenth of a second.
    """
    admin = store.user_named("admin")
    if admin is None and store.users.all():  # renamed or deleted, and never made again
        return
    on_loopback = await asyncio.to_thread(is_loopback, settings.host)
    if admin is None:
        password = settings.admin_password
        if password is not None and len(password) not in PASSWORD_LENGTH:
            raise HostError(f"{REFUSING} RING_ADMIN_PASSWORD must have 8 to 128 characters")
        if password in {None, DEFAULT_PASSWORD} and not on_loopback:
            raise HostError(_default_password_refusal(settings, first=True))
        await store.seed_admin(await asyncio.to_thread(hash_password, password or DEFAULT_PASSWORD))
    elif not on_loopback and await asyncio.to_thread(_accepts_default, admin.password):
        raise HostError(_default_password_refusal(settings, first=False))


async def warn_of_default_password(store: Store) -> None:
    admin = store.user_named("admin")
    if admin is not None and await asyncio.to_thread(_accepts_default, admin.password):
        log.warning(
            "the account 'admin' has the default password: anybody on this machine can log in; "
            "change it with `ring user update --password`"
        )


def _accepts_default(encoded: str) -> bool:
    try:
        return matches(encoded, DEFAULT_PASSWORD)
    except RingError:
        return False


def _default_password_refusal(settings: ServerSettings, *, first: bool) -> str:
    way_out = (
        "set RING_ADMIN_PASSWORD (8 to 128 characters) for the first start"
        if first
        else "start it on 127.0.0.1 and run `ring user update --password`"
    )
    return (
        f"{REFUSING} 'admin' would accept the default password on {settings.host}, which is not "
        f"a loopback address: {way_out}"
    )


def is_loopback(host: str) -> bool:
    """Whether every address the host stands for is one of this machine alone."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)
