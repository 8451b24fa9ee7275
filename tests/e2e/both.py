"""Stories that Docker and Podman must tell alike, and those of Podman alone."""

from __future__ import annotations

import pytest

ON_BOTH = pytest.mark.parametrize("runtime", ["docker", "podman"], indirect=True)
"""The test's `story`, and what `tell` makes by itself, are once of each."""

ON_PODMAN = pytest.mark.parametrize("runtime", ["podman"], indirect=True)
"""They are Podman's."""
