"""The group of the server itself: its key, its config file, its database, its address pools."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ring.core.errors import RingError
from ring.doctor.orphans import in_files
from ring.doctor.pools import NAME as POOLS
from ring.doctor.pools import address_pools
from ring.doctor.report import Check, Probe, failed, passed, quick, told
from ring.settings import load_context, load_server_settings
from ring.settings.database import Database, find_database
from ring.settings.secret_key import VARIABLE, load_secret_key
from ring.settings.sources import config_path

if TYPE_CHECKING:
    from pathlib import Path

    from ring.doctor.host import Host
    from ring.settings import ServerSettings

CNI_CONF_DIR = "/etc/cni/net.d"


@dataclass(frozen=True, slots=True)
class Told:
    """What the server would be told; None where that cannot be understood."""

    config: Check
    settings: ServerSettings | None
    database: Database | None
    database_trouble: str = ""


def read(config: Path | None, context: str | None, host: Host) -> Told:
    """Config file and environment, each trouble kept with what it is about."""
    database, trouble = None, ""
    environ = dict(host.environ)
    try:
        database = find_database(environ)
    except RingError as error:
        trouble = error.message
        environ["RING_DATABASE_PATH"] = os.devnull  # told there; the rest can be read all the same
    try:
        settings = load_server_settings(config, context, environ)
        picked = load_context(config, context, environ).name
        path, _ = config_path(config, environ)
    except RingError as error:
        return Told(failed("config", error.message), None, database, trouble)
    where = str(path) if path.exists() else f"no {path}, built-in defaults"
    notes = "".join(f"; {note}" for note in settings.warnings if os.devnull not in note)
    return Told(passed("config", f"{where} (context {picked}){notes}"), settings, database, trouble)


def probes(told_: Told, host: Host) -> tuple[Probe, ...]:
    """The lines of the group."""
    found = [
        quick(VARIABLE, lambda: _secret_key(host)),
        told(told_.config),
        quick("database", lambda: _database(told_)),
    ]
    settings = told_.settings
    if settings is not None:
        conf_dir = str(settings.runtimes["containerd"].options.get("cni_conf_dir", CNI_CONF_DIR))
        found.append(quick(POOLS, lambda: address_pools(host, settings.network, conf_dir)))
        if settings.database_path.exists():
            found.append(in_files(settings.database_path, settings.files_dir))
        if not any(table.enabled for table in settings.runtimes.values()):
            found.append(told(_none_enabled()))
    return tuple(found)


def _secret_key(host: Host) -> Check:
    try:
        key = load_secret_key(host.environ)
    except RingError as error:
        return failed(VARIABLE, error.message.removeprefix(VARIABLE).lstrip(": "))
    return passed(VARIABLE, f"set by {key.source}")


def _database(told_: Told) -> Check:
    if told_.database is None:
        return failed("database", told_.database_trouble)
    path, is_default, _ = told_.database
    directory = path.parent
    if is_default:
        # It is made at the first start, with what is missing above it.
        directory = next(place for place in (directory, *directory.parents) if place.exists())
    if not directory.is_dir():
        return failed("database", f"{path}: the directory {directory} does not exist")
    if not os.access(directory, os.W_OK | os.X_OK):
        return failed("database", f"{path}: no permission to write to {directory}")
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return failed("database", f"{path}: no permission to read and write it")
    return passed("database", str(path))


def _none_enabled() -> Check:
    return failed(
        "runtimes",
        "no container runtime is enabled: put `enabled = true` under [server.runtime.docker] in "
        "config.toml, or run `ring init`",
    )
