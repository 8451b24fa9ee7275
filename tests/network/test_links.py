from __future__ import annotations

import pytest

from ring.network import links


def test_the_index_of_an_interface() -> None:
    assert links.index("lo") == 1
    assert links.index("no-such-link") is None


def test_one_that_is_not_there() -> None:
    assert links.plugged_into("no-such-link") == []
    assert links.plugged_into("lo") == []
    links.delete("no-such-link")
    with pytest.raises(OSError, match="no-such-link"):
        links.note("no-such-link", "a note")
