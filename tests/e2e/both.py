"""Stories that engines must tell alike, and those of one alone."""

from __future__ import annotations

import pytest

ON_ALL = pytest.mark.parametrize("runtime", ["docker", "podman", "containerd"], indirect=True)
"""The test's `story`, and what `tell` makes by itself, are once of each."""

ON_BOTH = pytest.mark.parametrize("runtime", ["docker", "podman"], indirect=True)
"""Of the two that are spoken to by Docker's API: what is about that, what a proxy of it is needed
for, and what would tell nothing new of another."""

ON_ADAPTERS = pytest.mark.parametrize("runtime", ["docker", "containerd"], indirect=True)
"""Once for each adapter: Podman's is Docker's."""

ON_PODMAN = pytest.mark.parametrize("runtime", ["podman"], indirect=True)
"""They are Podman's."""

ON_CONTAINERD = pytest.mark.parametrize("runtime", ["containerd"], indirect=True)
"""They are containerd's."""
