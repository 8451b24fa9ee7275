"""The server's composition root: settings in, every part wired, an exit status out."""

from __future__ import annotations

import asyncio
import logging
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import uvloop

from ring import __version__, banner, logs
from ring.api.asgi import build_app
from ring.api.serving import bind, serve
from ring.clock import SystemClock
from ring.core.errors import HostError
from ring.core.plan.view import Limits
from ring.engine.engine import Engine
from ring.engine.observing.introducing import introduce
from ring.engine.operating.files import Files
from ring.first_account import guard_admin, warn_of_default_password
from ring.network.pools import Pools
from ring.process import REFUSING, leave_no_core, open_more_files, stop_on_signals
from ring.runtimes.base import RuntimeFailure
from ring.security.vault import Vault
from ring.settings import process_environment
from ring.settings.secret_key import load_secret_key
from ring.settings.trust import expect_trusted
from ring.store.store import Store
from ring.telemetry import Telemetry

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from ring.runtimes.base import Runtime
    from ring.settings import ServerSettings
    from ring.settings.network import NetworkSettings

log = logging.getLogger(__name__)

PING_S = 4.0
SERVER_ID = "server_id"
"""The option that tells an adapter for whom it makes things."""
POOLS = "pools"
"""The option that tells it what subnets it may give."""
STATE_DIR = "state_dir"
RUN_DIR = "run_dir"
"""The options that tell it where to keep what is its own, for good and until the next start of the
machine."""
NOT_AVAILABLE = "not available in this version of Ring"


def run(settings: ServerSettings) -> int:
    """Serves until SIGTERM or SIGINT. 0 after an orderly end, 1 if it cannot start."""
    logs.configure(settings.log_level, settings.log_format)
    open_more_files()
    leave_no_core()
    for warning in settings.warnings:
        log.warning("%s", warning)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings))
    except HostError as error:
        log.error("%s", error.message)
        return 1
    log.info("ring server stopped")
    return 0


async def _serve(settings: ServerSettings) -> None:
    _refuse_what_is_not_there(settings)
    clock = SystemClock()
    stop = asyncio.Event()
    stop_on_signals(stop)
    vault = _open_vault()
    store = _open_store(settings, clock, vault)
    telemetry = Telemetry(settings.telemetry)
    runtimes: dict[str, Runtime] = {}
    try:
        _try_key(store)
        await guard_admin(store, settings)
        runtimes, failed = _open_runtimes(settings, store.server_id)
        introduced = await _probe(runtimes, failed, settings)
        engine = Engine(
            store,
            runtimes,
            clock,
            Limits(
                crash_loop_retry_s=settings.crash_loop_retry_s,
                apply_timeout_s=settings.apply_timeout_s,
                rollout_deadline_s=settings.rollout_deadline_s,
                wait_retry_s=settings.interval_s,
            ),
            files=Files(settings.files_dir, owner=store.server_id),
            interval_s=settings.interval_s,
            default_host_ip=settings.network.default_host_ip,
            passed=telemetry.passed if telemetry.is_tracing else None,
            image_policy=settings.images,
            introduced=introduced,
        )
        app = build_app(
            store,
            engine,
            clock=clock,
            cors_origins=settings.cors_origins,
            tracing=telemetry if telemetry.is_tracing else None,
        )
        sock = bind(settings.host, settings.port)
        _announce(settings, sock, runtimes)
        async with asyncio.TaskGroup() as group:
            api = group.create_task(serve(app, sock, stop=stop))
            api.add_done_callback(_drained)
            group.create_task(engine.run(stop))
            group.create_task(warn_of_default_password(store))
            group.create_task(telemetry.open(lambda: engine.statistics.snapshot))
    finally:
        await asyncio.gather(*(runtime.close() for runtime in runtimes.values()))
        await store.close()
        await telemetry.close()


def _refuse_what_is_not_there(settings: ServerSettings) -> None:
    """What is asked for and missing in this version is told, not left out in silence."""
    if settings.dashboard.enabled:
        raise HostError(
            f"{REFUSING} the dashboard is not available yet: unset RING_DASHBOARD, and remove "
            "`enabled = true` from [server.dashboard]"
        )


def _drained(api: asyncio.Task[None]) -> None:
    if not api.cancelled() and api.exception() is None:
        log.info("API server shut down gracefully")


# the key, the database and its first account
def _open_vault() -> Vault:
    """Before anything else is touched: what is written with a wrong key is lost."""
    try:
        return Vault(load_secret_key(process_environment()).value)
    except HostError as error:
        raise HostError(f"{REFUSING} {error.message}") from error


def _open_store(settings: ServerSettings, clock: SystemClock, vault: Vault) -> Store:
    path = settings.database_path
    try:
        if settings.make_database_dir:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            expect_trusted(path.parent)
        return Store.open(
            path,
            clock,
            vault=vault,
            revisions_kept=settings.revision_history,
            allowance=settings.logs,
        )
    except OSError as error:
        reason = error.strerror or str(error)
        raise HostError(f"{REFUSING} cannot open database {path}: {reason}") from error
    except HostError as error:
        raise HostError(f"{REFUSING} {error.message}") from error


def _try_key(store: Store) -> None:
    """Tells where the key does not open what is stored. What needs no secret works all the same."""
    secret = store.secrets.unopened()
    if secret is not None:
        log.error(
            "RING_SECRET_KEY is not the key that the stored secrets were encrypted with: secret "
            "'%s' in namespace '%s' cannot be decrypted, and no instance that needs it can start; "
            "start with the former key, or give the secrets their values anew",
            secret.name,
            secret.namespace,
        )


# runtimes
def _open_runtimes(
    settings: ServerSettings, server_id: str
) -> tuple[dict[str, Runtime], list[str]]:
    """The enabled ones, not yet connected; and why others cannot be: `<name> (<reason>)`."""
    adapters: Mapping[str, Callable[[], Callable[[Mapping[str, object]], Runtime]]] = {
        point.name: point.load for point in entry_points(group="ring.runtimes")
    }
    ours = {
        SERVER_ID: server_id,
        POOLS: _pools(settings.network),
        STATE_DIR: settings.state_dir,
        RUN_DIR: settings.run_dir,
    }
    runtimes: dict[str, Runtime] = {}
    failed = []
    for name, table in settings.runtimes.items():
        if not table.enabled:
            log.info("%s runtime disabled in config, skipping", name)
        elif name in adapters:
            runtimes[name] = _opened(adapters[name](), {**table.options, **ours})
        elif table.optional:
            log.warning("the optional runtime %s is %s", name, NOT_AVAILABLE)
        else:
            failed.append(f"{name} ({NOT_AVAILABLE})")
    if not any(table.enabled for table in settings.runtimes.values()):
        raise HostError(
            f"{REFUSING} no container runtime is enabled: put `enabled = true` under "
            "[server.runtime.docker] in config.toml"
        )
    return runtimes, failed


def _pools(network: NetworkSettings) -> Pools:
    return Pools(
        pool=network.pool,
        prefix=network.pool_prefix,
        vm_pool=network.vm_pool,
        is_preferred=network.pool_is_set,
    )


def _opened(
    adapter: Callable[[Mapping[str, object]], Runtime], options: Mapping[str, object]
) -> Runtime:
    try:
        return adapter(options)
    except HostError as error:
        raise HostError(f"{REFUSING} {error.message}") from error


async def _probe(
    runtimes: Mapping[str, Runtime], failed: list[str], settings: ServerSettings
) -> tuple[str, ...]:
    """One real round trip to each: those that were introduced with all there is to say. Raises
    HostError naming all that failed, now or before."""
    introduced: list[str] = []
    answers = await asyncio.gather(*(_ping(runtime) for runtime in runtimes.values()))
    for (name, runtime), why in zip(runtimes.items(), answers, strict=True):
        if why is None:
            if await introduce(runtime, within_s=PING_S):
                introduced.append(name)
        elif settings.runtimes[name].optional:
            log.warning("the optional runtime %s is unreachable (%s): tried again", name, why)
        else:
            failed.append(f"{name} ({runtime.location}: {why})")
    if failed:
        raise HostError(f"{REFUSING} enabled runtime unreachable: {', '.join(failed)}")
    log.info("Registered runtimes: [%s]", ", ".join(sorted(runtimes)))
    return tuple(introduced)


async def _ping(runtime: Runtime) -> str | None:
    """None: it answers; otherwise why not."""
    try:
        async with asyncio.timeout(PING_S):
            await runtime.ping()
    except TimeoutError:
        return f"no answer within {PING_S:g} s"
    except RuntimeFailure as error:
        return error.message
    return None


def _announce(
    settings: ServerSettings, sock: socket.socket, runtimes: Mapping[str, Runtime]
) -> None:
    log.info(
        "Starting scheduler with interval: %ds, apply timeout: %gs",
        settings.interval_s,
        settings.apply_timeout_s,
    )
    text = banner.render(
        host=settings.host,
        port=sock.getsockname()[1],
        runtimes=runtimes,
        version=__version__,
        color=sys.stdout.isatty() and not process_environment().get("NO_COLOR"),
        lan=banner.lan_address(),
    )
    sys.stdout.write(text)
    sys.stdout.flush()
