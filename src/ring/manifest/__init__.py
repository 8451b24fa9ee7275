"""The client side of a manifest: text -> request bodies. No I/O but reading an env file.

    load_manifest(text, origin="ring.yaml", lookup=environ.get) -> Manifest

`Manifest.namespaces` and `.deployments` are entries in file order (`key`, `body`, `name`); an
`Entry.problem` says why the client does not send it; `.warnings` are lines without `Warning:`.
A file that cannot be read as a manifest raises ManifestError, whose message holds every problem.
`env_file.read(path)` gives the variables of an env file and its warnings; the caller puts the
process environment before them in `lookup`.
"""

from __future__ import annotations

from ring.manifest.bodies import Entry, Manifest, NamespaceEntry, load_manifest
from ring.manifest.errors import ManifestError

__all__ = ["Entry", "Manifest", "ManifestError", "NamespaceEntry", "load_manifest"]
