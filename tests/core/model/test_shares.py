from __future__ import annotations

import pytest

from ring.core.model.shares import Share, share


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("nas:/exports/data", Share("nas", "/exports/data")),
        ("nas.example-1.net:/", Share("nas.example-1.net", "/")),
        ("10.0.0.4:/a b,c:d", Share("10.0.0.4", "/a b,c:d")),
        ("[fd00:0::1]:/data", Share("fd00::1", "/data")),
    ],
)
def test_a_share(source: str, found: Share) -> None:
    assert share(source) == found


@pytest.mark.parametrize(
    "source",
    [
        "",
        "nas",
        "nas:data",
        ":/data",
        "nas,nolock:/data",
        "nas /x:/data",
        "nas.:/data",
        "fd00::1:/data",
        "[nas]:/data",
        "[]:/data",
        "nas:/data\n",
        "nas:/da\0ta",
    ],
)
def test_what_is_none(source: str) -> None:
    assert share(source) is None
