"""The part of an image's configuration that its instances are made by."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NoReturn

from ring.core.model.failures import FailureClass
from ring.runtimes.base import RuntimeFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_LAYERS: Final = 1000
_MOST_VOLUMES: Final = 256
_MOST_ENTRIES: Final = 10_000
_MOST_CHARACTERS: Final = 1 << 20
"""Of all that an instance is made by: whoever lists instances is handed it for each of them."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """Of an OCI image's configuration blob; what it does not say is empty."""

    chain_id: str
    """The key of the committed snapshot of its top layer; empty: it has no layers."""
    diff_ids: tuple[str, ...]
    """The digest of each layer, unpacked, from the bottom up."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    """`K=V`."""
    directory: str = ""
    user: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    """Paths that it wants volumes at."""


def parse(blob: bytes) -> ImageConfig:
    """Raises RuntimeFailure(IMAGE_PULL_FAILED): this is no configuration of an image.

    By the OCI image specification; Docker's of version 2 has the same names.
    """
    try:
        told = json.loads(blob)
    except (ValueError, RecursionError) as error:
        raise _garbage("it is not JSON") from error
    whole = _section(told, "it")
    diff_ids = _texts(_section(whole.get("rootfs"), "rootfs"), "diff_ids")
    if len(diff_ids) > _MOST_LAYERS or not all(map(_DIGEST.fullmatch, diff_ids)):
        _refuse("rootfs.diff_ids")
    config = _section(whole.get("config"), "config")
    found = ImageConfig(
        chain_id=chain(diff_ids)[-1] if diff_ids else "",
        diff_ids=diff_ids,
        entrypoint=_texts(config, "Entrypoint"),
        command=_texts(config, "Cmd"),
        environment=_texts(config, "Env"),
        directory=_text(config, "WorkingDir"),
        user=_text(config, "User"),
        stop_signal=_text(config, "StopSignal"),
        volumes=tuple(_section(config.get("Volumes"), "config.Volumes")),
    )
    _expect_sensible(found)
    return found


def _expect_sensible(config: ImageConfig) -> None:
    """An image may say anything; what it asks for is made on this machine."""
    lists = (config.entrypoint, config.command, config.environment)
    texts = (config.directory, config.user, config.stop_signal)
    if len(config.volumes) > _MOST_VOLUMES:
        raise _garbage(f"it wants {len(config.volumes)} volumes, and {_MOST_VOLUMES} are the most")
    if any(len(entries) > _MOST_ENTRIES for entries in lists):
        raise _garbage(f"a list in it has more than {_MOST_ENTRIES} entries")
    if sum(map(len, itertools.chain(*lists, config.volumes, texts))) > _MOST_CHARACTERS:
        raise _garbage(f"it has more than {_MOST_CHARACTERS} characters")


def chain(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The chain id up to each layer: what is unpacked of it and all below, by one digest."""
    chained: list[str] = []
    for diff_id in diff_ids:
        if not chained:
            chained.append(diff_id)
            continue
        joined = f"{chained[-1]} {diff_id}".encode()
        chained.append(f"sha256:{sha256(joined).hexdigest()}")
    return tuple(chained)


def _section(value: object, name: str) -> Mapping[str, object]:
    if value is None and name != "it":
        return {}
    return value if isinstance(value, dict) else _refuse(name)


def _texts(section: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = section.get(key)
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    return _refuse(key)


def _text(section: Mapping[str, object], key: str) -> str:
    value = section.get(key)
    if value is None:
        return ""
    return value if isinstance(value, str) else _refuse(key)


def _refuse(what: str) -> NoReturn:
    raise _garbage(f"{what} is not as the OCI image specification has it")


def _garbage(why: str) -> RuntimeFailure:
    return RuntimeFailure(
        FailureClass.IMAGE_PULL_FAILED, f"the image's configuration cannot be read: {why}"
    )
