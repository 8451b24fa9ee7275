"""What all tests have in common."""

from __future__ import annotations

from hypothesis import settings

# An example takes as long as the machine is busy: what may hang has the time limit of its test.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")
