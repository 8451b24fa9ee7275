"""A manifest's values -> the request bodies of its entries, in file order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from ring.core.model.spec import RuntimeName
from ring.core.violations import path_text
from ring.manifest.errors import ManifestError, Problem, one_line
from ring.manifest.ignored import ignored_fields
from ring.manifest.interpolate import Interpolation, Lookup
from ring.manifest.payloads import Payloads
from ring.manifest.reading import read
from ring.manifest.source import load

if TYPE_CHECKING:
    from pathlib import Path

RUNTIMES: Final[tuple[str, ...]] = get_args(RuntimeName)
_READ_ONLY = frozenset({"config", "secret"})
_ALWAYS: Final = frozenset({"labels", "environment", "volumes"})


@dataclass(frozen=True, slots=True)
class NamespaceEntry:
    key: str
    """The map key: a label for the reader."""
    body: dict[str, Any]
    """For `POST /namespaces`."""

    @property
    def name(self) -> str:
        return str(self.body["name"])


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    key: str
    body: dict[str, Any]
    """For `POST /configs` and `PUT /configs/{id}`."""

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["namespace"])


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    body: dict[str, Any]
    """For `POST /deployments`; holds no null."""
    problem: str | None
    """Why the client does not send it."""
    ignored: tuple[str, ...]
    """Paths of fields that its runtime does not honour."""

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def namespace(self) -> str:
        return str(self.body["namespace"])


@dataclass(frozen=True, slots=True)
class Manifest:
    name: str | None
    namespaces: tuple[NamespaceEntry, ...]
    configs: tuple[ConfigEntry, ...]
    deployments: tuple[Entry, ...]
    warnings: tuple[str, ...]
    """Without the word `Warning:`."""


def load_manifest(text: str, *, origin: str, lookup: Lookup, directory: Path) -> Manifest:
    """The manifest a text holds. Raises ManifestError with every problem, one a line.

    `origin` names the file in messages; `lookup` gives the value of a variable, or None; the files
    of configs are read, relative ones from `directory`.
    """
    reading = read(load(text, origin), origin)
    interpolation = Interpolation(lookup)
    payloads = Payloads(directory, interpolation)
    name = reading.value.get("name")
    namespaces = tuple(
        NamespaceEntry(key, _namespace_body(key, value, interpolation))
        for key, value in reading.value.get("namespaces", {}).items()
    )
    configs = tuple(
        ConfigEntry(key, payloads.body(key, value))
        for key, value in reading.value.get("configs", {}).items()
    )
    deployments = tuple(
        _entry(key, interpolation.deployment(value, ("deployments", key)), name)
        for key, value in reading.value.get("deployments", {}).items()
    )
    unusable = (
        (path, f"{path_text(path)}: the value of a variable is not UTF-8 text")
        for path in interpolation.unusable
    )
    problems = [
        Problem(reading.marks.of(path), message)
        for path, message in (*payloads.problems, *unusable)
    ]
    if problems:
        raise ManifestError(origin, problems)
    unknown = (f"unknown field '{path}' ignored" for path in reading.unknown)
    warnings = tuple(map(one_line, (*unknown, *interpolation.warnings)))
    return Manifest(name, namespaces, configs, deployments, warnings)


def _namespace_body(
    key: str, value: dict[str, Any], interpolation: Interpolation
) -> dict[str, Any]:
    name = interpolation.text(value["name"], ("namespaces", key, "name"))
    return {**_without_null(value), "name": name}


def _entry(key: str, value: dict[str, Any], manifest: str | None) -> Entry:
    body = deployment_body(value, manifest)
    return Entry(key, body, client_problem(body), ignored_fields(body))


def deployment_body(value: dict[str, Any], manifest: str | None) -> dict[str, Any]:
    """The body of a deployment: client defaults in, what is unset or empty out.

    Its members come in the order in which people read it: what it is before what it has.
    """
    network = {"mode": "bridge"} if value.get("network") == {} else value.get("network")
    body = {
        "name": value["name"],
        "namespace": value["namespace"],
        "runtime": "docker",
        "kind": "worker",
        "image": value["image"],
        "replicas": 1,
        "labels": {},
        "environment": {},
        **value,
        "volumes": [_volume(volume) for volume in value.get("volumes", [])],
        "health_checks": [
            _filled(check, threshold=3, readiness=False) for check in value.get("health_checks", [])
        ],
        "resources": {unit: part for unit, part in value.get("resources", {}).items() if part},
        "config": _config(value.get("config", {})),
        "network": network,
        "manifest": manifest,
    }
    cleaned: dict[str, Any] = _without_null(body)
    return {name: part for name, part in cleaned.items() if name in _ALWAYS or part not in ({}, [])}


def client_problem(body: dict[str, Any]) -> str | None:
    """What the client finds wrong with a body by itself."""
    for member in ("name", "image", "namespace"):
        if not body[member].strip():
            return f"Deployment {member} cannot be empty"
    if body["runtime"] not in RUNTIMES:
        known = ", ".join(RUNTIMES)
        return f"Runtime '{body['runtime']}' not supported. Supported runtimes: {known}"
    return None


def _volume(volume: dict[str, Any]) -> dict[str, Any]:
    filled = _filled(volume, driver="local", permission="rw")
    return filled | {"permission": "ro"} if volume["type"] in _READ_ONLY else filled


def _filled(value: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The defaults behind what is written."""
    return value | {name: part for name, part in defaults.items() if name not in value}


def _config(config: dict[str, Any]) -> dict[str, Any]:
    return {
        name: part
        for name, part in config.items()
        if not (name == "use_host_auth" and part is False) and part != {}
    }


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return value
