"""What the server is told: the `[server]` table, the picked context and the environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ring.core.model.quantities import parse_duration
from ring.settings.contexts import Context, pick_context
from ring.settings.dashboard import DashboardSettings, dashboard
from ring.settings.database import find_database
from ring.settings.files import files_dir, run_dir, state_dir
from ring.settings.images import images
from ring.settings.keys import Key, whole_number
from ring.settings.known import unknown_keys
from ring.settings.logs import logs
from ring.settings.network import NetworkSettings, network
from ring.settings.sources import LOG_LEVELS, Environ, Table, config_dir, read_config
from ring.settings.surroundings import OPTIONS, RUNTIMES
from ring.settings.telemetry import TelemetrySettings, telemetry
from ring.settings.trust import openness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ring.core.keeping import Policy
    from ring.core.model.logs import Allowance

_OURS = frozenset({"enabled", "optional"}) | OPTIONS
_INTERVAL_S = 10
_APPLY_TIMEOUT_S = 300.0
_ROLLOUT_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class RuntimeTable:
    enabled: bool = False
    optional: bool = False
    """Its outage does not stop the start."""
    options: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The adapter's own keys as written, checked by the adapter; and those of the environment."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str
    port: int
    cors_origins: tuple[str, ...]
    interval_s: int
    crash_loop_retry_s: float | None
    """None: a worker in crash_loop_back_off is never tried again."""
    revision_history: int
    """Revisions that are kept of each deployment."""
    apply_timeout_s: float
    rollout_deadline_s: float
    """How long a rollout may stay un-ready."""
    database_path: Path
    make_database_dir: bool
    """The path is a default one: its directory is made (0700) when missing."""
    config_dir: Path
    files_dir: Path
    """Of configs and secrets that are mounted; made when the first one is."""
    state_dir: Path
    run_dir: Path
    """What the runtimes keep beside the database: until it is removed, and until the machine is
    started anew."""
    network: NetworkSettings
    images: Policy
    """When images that nobody needs are removed."""
    logs: Allowance
    """For what instances that have ended wrote last."""
    dashboard: DashboardSettings
    runtimes: Mapping[str, RuntimeTable]
    """All five, by the name that manifests use."""
    telemetry: TelemetrySettings
    admin_password: str | None = field(repr=False)
    log_level: str
    log_format: str
    """`json` or `text`."""
    warnings: tuple[str, ...]
    """To be logged once at start."""


def load_server_settings(
    config: Path | None, context: str | None, environ: Environ
) -> ServerSettings:
    """Everything the server is told. Raises UserError or HostError naming file and key."""
    document = read_config(config, environ)
    picked = pick_context(document, context, environ)
    server = document.table("server")
    scheduler = server.table("scheduler")
    warnings = [*picked.warnings, *unknown_keys(server)]
    host, port, origins = _api(server.table("api"), picked, warnings)
    database = find_database(environ)
    warnings += database.warnings
    if warning := openness(database.path):
        warnings.append(warning)
    return ServerSettings(
        host=host,
        port=port,
        cors_origins=origins,
        interval_s=_interval(document, picked.name, environ, warnings),
        crash_loop_retry_s=_CRASH_LOOP_RETRY.told(scheduler, environ, warnings),
        revision_history=_REVISION_HISTORY.told(scheduler, environ, warnings),
        apply_timeout_s=_seconds("RING_APPLY_TIMEOUT", _APPLY_TIMEOUT_S, environ, warnings),
        rollout_deadline_s=_seconds(
            "RING_ROLLOUT_DEADLINE", _ROLLOUT_DEADLINE_S, environ, warnings
        ),
        database_path=database.path,
        make_database_dir=database.is_default,
        config_dir=config_dir(environ),
        files_dir=files_dir(environ),
        state_dir=state_dir(environ),
        run_dir=run_dir(environ),
        network=network(server.table("network")),
        images=images(server.table("images")),
        logs=logs(server.table("logs"), environ, warnings),
        dashboard=dashboard(document, environ, warnings),
        runtimes=_runtimes(server.table("runtime"), environ),
        telemetry=telemetry(server.table("telemetry"), environ, warnings),
        admin_password=environ.get("RING_ADMIN_PASSWORD") or None,
        log_level=_log_level(environ, warnings),
        log_format="json" if environ.get("RING_LOG_FORMAT") == "json" else "text",
        warnings=tuple(warnings),
    )


def _api(table: Table, context: Context, warnings: list[str]) -> tuple[str, int, tuple[str, ...]]:
    host = table.text("host").strip("[]") if "host" in table else context.host
    port = table.port("port") if "port" in table else context.port
    origins = table.texts("cors_origins") if "cors_origins" in table else context.cors_origins
    legal = tuple(origin for origin in origins if _is_header_value(origin))
    warnings += [
        f"cors_origins: {origin!r} cannot be a header value, skipped"
        for origin in origins
        if origin not in legal
    ]
    return host, port, legal


def _is_header_value(text: str) -> bool:
    return bool(text.strip()) and text.isascii() and text.isprintable()


def _interval(document: Table, context: str, environ: Environ, warnings: list[str]) -> int:
    seconds = _file_interval(document, context, warnings)
    if raw := environ.get("RING_SCHEDULER_INTERVAL"):
        try:
            seconds = int(raw)
        except ValueError:
            warnings.append(
                f"RING_SCHEDULER_INTERVAL '{raw}' is not a number of seconds, using {seconds}"
            )
    return max(1, seconds)


def _file_interval(document: Table, context: str, warnings: list[str]) -> int:
    """The file's interval; older places count only where the present one is silent."""
    present = document.table("server").table("scheduler")
    if "interval" in present:
        return present.whole("interval")
    in_context = document.table("contexts").table(context).table("scheduler")
    for legacy in (document.table("scheduler"), in_context):
        if "interval" in legacy:
            warnings.append(
                f"{legacy.path('interval')} is deprecated, use interval in [server.scheduler]"
            )
            return legacy.whole("interval")
    return _INTERVAL_S


def _retry_s(text: str) -> float | None:
    return None if text == "never" else parse_duration(text) / 1000


_CRASH_LOOP_RETRY: Key[float | None] = Key(
    name="crash_loop_retry",
    variable="RING_CRASH_LOOP_RETRY",
    usual="5m",
    wanted="a duration such as '5m', or 'never'",
    read=_retry_s,
)
_REVISION_HISTORY = whole_number(
    "revision_history", "RING_REVISION_HISTORY", usual=10, least=1, most=100
)


def _seconds(name: str, default: float, environ: Environ, warnings: list[str]) -> float:
    """A variable that holds a number of seconds above 0."""
    raw = environ.get(name)
    if not raw:
        return default
    try:
        seconds = float(raw)
    except ValueError:
        seconds = 0.0
    if 0 < seconds < float("inf"):
        return seconds
    warnings.append(f"{name} '{raw}' is not a number of seconds above 0, using {default:.0f}")
    return default


def _runtimes(table: Table, environ: Environ) -> Mapping[str, RuntimeTable]:
    return {
        name: _runtime(table.table(name.replace("-", "_")), around.options(environ))
        for name, around in RUNTIMES.items()
    }


def _runtime(table: Table, around: Mapping[str, object]) -> RuntimeTable:
    own = {key: table.values[key] for key in table.values if key not in _OURS}
    return RuntimeTable(
        enabled=table.flag("enabled"), optional=table.flag("optional"), options={**own, **around}
    )


def _log_level(environ: Environ, warnings: list[str]) -> str:
    raw = environ.get("RING_LOG")
    if not raw:
        return "info"
    level = LOG_LEVELS.get(raw.strip().lower())
    if level is None:
        warnings.append(f"RING_LOG '{raw}' is not debug, info, warning or error; using info")
    return level or "info"
