"""The names of the process settings are those of the model."""

from __future__ import annotations

from ring.core.model.process_settings import NAMES
from ring.core.model.spec import DeploymentSpec


def test_every_name_is_a_field_and_in_its_order() -> None:
    assert list(NAMES) == [name for name in DeploymentSpec.model_fields if name in set(NAMES)]
