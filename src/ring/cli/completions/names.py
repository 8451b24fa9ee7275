"""`ring _complete KIND PREFIX`: names for a shell that waits, or nothing at all.

What a completion script calls back. It shows no error and never takes longer than its deadline:
whatever stands in the way, the shell gets an empty answer and exit code 0. Not a command of the
tree, whose weight would use the time up.
"""

from __future__ import annotations

import os
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ring.settings import config_dir, load_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ring.settings.sources import Environ

DEADLINE_S = 0.3
KINDS = ("deployments", "namespaces", "secrets", "configs")

_CLEAN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Without anything that a shell would expand, split or take for an option: others are left out."""


def main(arguments: Sequence[str], environ: Environ, *, deadline_s: float = DEADLINE_S) -> int:
    """Write one candidate a line, `VALUE` or `VALUE<tab>DESCRIPTION`; always 0.

    The asking is left behind when time is up, wherever it hangs: name resolution, for one, cannot
    be interrupted.
    """
    found: list[str] = []

    def ask() -> None:
        try:
            found.extend(candidates(arguments, environ))
        except Exception:  # noqa: BLE001 - whatever it is, nobody who presses a key wants to read it
            found.clear()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(deadline_s)
    if not asking.is_alive() and found:
        _write("".join(f"{line}\n" for line in found))
    return 0


def candidates(arguments: Sequence[str], environ: Environ) -> list[str]:
    """The lines for `KIND PREFIX [--context C] [--config P] [--namespace N]`.

    Raises whatever stands in the way.
    """
    kind, prefix, *rest = arguments
    options = dict(zip(rest[::2], rest[1::2], strict=True))
    if kind == "contexts":
        return [name for name in _contexts(options, environ) if name.startswith(prefix)]
    if kind not in KINDS:
        return []
    rows = _ask(kind, prefix, options, environ)
    make = {"deployments": _deployment, "namespaces": _namespace}.get(kind)
    if make is None:
        make = _named if "--namespace" in options else _by_id
    return sorted({line for row in rows for line in make(row, prefix)})


def _contexts(options: Mapping[str, str], environ: Environ) -> Iterable[str]:
    """Of the config file: no server is asked."""
    from ring.settings.contexts import every_context

    return filter(_clean, every_context(_config(options), environ))


def _config(options: Mapping[str, str]) -> Path | None:
    config = options.get("--config")
    return Path(config) if config else None


def _ask(
    kind: str, prefix: str, options: Mapping[str, str], environ: Environ
) -> Iterable[Mapping[str, object]]:
    from ring.cli.client import Client
    from ring.cli.credentials import Credentials
    from ring.cli.rows import objects

    context = load_context(_config(options), options.get("--context"), environ)
    token = environ.get("RING_TOKEN") or Credentials(config_dir(environ)).token(context.name)
    if token is None:
        return []
    namespace = options.get("--namespace")
    if kind == "deployments" and "/" in prefix:
        namespace = prefix.partition("/")[0]
    query = [("namespace", namespace)] if namespace and kind != "namespaces" else []
    client = Client(context, token, environ)
    response = client.get(kind, query=query)
    return objects(client.decode(response)) if response.ok else []


def _deployment(row: Mapping[str, object], prefix: str) -> Iterable[str]:
    """By `namespace/name`, or by the beginning of an id."""
    if row.get("status") == "deleted":
        return
    namespace, name, identity = (_clean(row.get(key)) for key in ("namespace", "name", "id"))
    if namespace and name and f"{namespace}/{name}".startswith(prefix):
        yield f"{namespace}/{name}"
    elif prefix and identity.startswith(prefix):
        yield identity


def _namespace(row: Mapping[str, object], prefix: str) -> Iterable[str]:
    name = _clean(row.get("name"))
    if name and name.startswith(prefix):
        yield name


def _named(row: Mapping[str, object], prefix: str) -> Iterable[str]:
    """Of one namespace: by name."""
    return _namespace(row, prefix)


def _by_id(row: Mapping[str, object], prefix: str) -> Iterable[str]:
    """Commands take the id: it is found by its own beginning, by the name's, or by both names'."""
    namespace, name, identity = (_clean(row.get(key)) for key in ("namespace", "name", "id"))
    whole = f"{namespace}/{name}"
    if identity and name and any(key.startswith(prefix) for key in (identity, name, whole)):
        yield f"{identity}\t{whole}"


def _clean(value: object) -> str:
    return value if isinstance(value, str) and _CLEAN.fullmatch(value) else ""


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)  # the interpreter's last flush misses no reader
