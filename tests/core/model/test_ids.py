from __future__ import annotations

import pytest

from ring.core.model.ids import short_id


@pytest.mark.parametrize(
    ("instance_id", "shown"),
    [
        ("0123456789ab" + "c" * 52, "0123456789ab"),
        ("production_web_1a2b3c4d", "production_web_1a2b3c4d"),
        ("0123456789abcdef", "0123456789abcdef"),
    ],
)
def test_a_hash_alone_is_shortened(instance_id: str, shown: str) -> None:
    assert short_id(instance_id) == shown
