"""The client side of a manifest: text -> request bodies.

    load_manifest(text, origin="ring.yaml", lookup=environ.get, directory=Path(".")) -> Manifest

`Manifest.namespaces`, `.configs` and `.deployments` are entries in file order (`key`, `body`,
`name`); an `Entry.problem` says why the client does not send it; `.warnings` are lines without
`Warning:`. A file that cannot be used raises ManifestError, whose message holds every problem with
its line and column. Nothing is read but the files that configs name and, by `env_file.read(path)`,
the variables of an env file; the caller puts the process environment before them in `lookup`.
`schema` and `fields` describe the same shape to editors and to people.
"""

from __future__ import annotations

from ring.manifest.bodies import ConfigEntry, Entry, Manifest, NamespaceEntry, load_manifest
from ring.manifest.errors import ManifestError, Unreadable

__all__ = [
    "ConfigEntry",
    "Entry",
    "Manifest",
    "ManifestError",
    "NamespaceEntry",
    "Unreadable",
    "load_manifest",
]
