"""Client contexts: which server a command talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ring.core.errors import UserError
from ring.settings.sources import Environ, Table, read_config

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 3030


class Context(NamedTuple):
    name: str
    scheme: str = "http"
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    cors_origins: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def base_url(self) -> str:
        """`scheme://host:port`, an IPv6 literal in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def load_context(config: Path | None, context: str | None, environ: Environ) -> Context:
    """The context a command runs in. Raises UserError or HostError."""
    return pick_context(read_config(config, environ), context, environ)


def every_context(config: Path | None, environ: Environ) -> dict[str, Context]:
    """All contexts of the file by name, in its order; the built-in one where it has none.

    Raises UserError or HostError.
    """
    contexts = read_config(config, environ).table("contexts")
    if not contexts.values:
        return {"default": Context("default")}
    return {name: _read(contexts.table(name), name, ()) for name in contexts.values}


def pick_context(document: Table, context: str | None, environ: Environ) -> Context:
    """The context of an already read config file. Raises UserError."""
    contexts = document.table("contexts")
    wanted = context or environ.get("RING_CONTEXT") or None
    if not contexts.values:
        if wanted not in {None, "default"}:
            raise _not_found(document, str(wanted), ("default",))
        return Context("default")
    name, warnings = _name(contexts, wanted)
    return _read(contexts.table(name), name, warnings)


def _name(contexts: Table, wanted: str | None) -> tuple[str, tuple[str, ...]]:
    names = tuple(contexts.values)
    if wanted is not None:
        if wanted not in names:
            raise _not_found(contexts, wanted, names)
        return wanted, ()
    current = [name for name in names if contexts.table(name).flag("current")]
    if len(current) > 1:
        marked = ", ".join(current)
        return current[0], (
            f"{contexts.file}: several contexts have current = true ({marked}); "
            f"using '{current[0]}'",
        )
    if current:
        return current[0], ()
    if "default" in names:
        return "default", ()
    if len(names) == 1:
        return names[0], ()
    raise UserError(
        f"no current context in {contexts.file}: set current = true in one of them "
        f"or pass --context (available: {', '.join(names)})"
    )


def _read(table: Table, name: str, warnings: tuple[str, ...]) -> Context:
    api = table.table("api")
    scheme = api.text("scheme")
    if scheme not in {"http", "https"}:
        raise api.wrong("scheme", "'http' or 'https'")
    return Context(
        name=name,
        scheme=scheme,
        host=table.text("host").strip("[]"),
        port=api.port("port"),
        cors_origins=api.texts("cors_origins"),
        warnings=warnings,
    )


def _not_found(table: Table, name: str, available: tuple[str, ...]) -> UserError:
    listed = ", ".join(available)
    return UserError(f"context '{name}' not found in {table.file} (available: {listed})")
