from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.model.ids import InstanceName
from ring.runtimes.containerd.names import LONGEST, container_id, is_legal, may_be_rings

SUFFIX = "0123abcd"


def test_a_name_that_fits_is_taken_as_it_is() -> None:
    assert container_id(InstanceName(f"shop_cart-2.x_{SUFFIX}")) == f"shop_cart-2.x_{SUFFIX}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"shop_a--b_{SUFFIX}", f"shop_a-b_{SUFFIX}"),
        (f"shop-_cart_{SUFFIX}", f"shop_cart_{SUFFIX}"),
        (f"a__b_{SUFFIX}", f"a_b_{SUFFIX}"),
        (f"-_-_{SUFFIX}", SUFFIX),
    ],
)
def test_separators_are_made_single(name: str, expected: str) -> None:
    assert container_id(InstanceName(name)) == expected


def test_what_is_too_long_is_cut_and_keeps_both_parts_and_its_suffix() -> None:
    found = container_id(InstanceName(f"{'n' * 63}_{'d' * 63}_{SUFFIX}"))
    assert found == f"{'n' * 33}_{'d' * 33}_{SUFFIX}"
    short = container_id(InstanceName(f"shop_{'d' * 80}_{SUFFIX}"))
    assert short == f"shop_{'d' * 62}_{SUFFIX}"
    assert len(short) == LONGEST


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        (f"shop_cart-2.x_{SUFFIX}", True),
        (container_id(InstanceName(f"{'n' * 63}_{'d' * 63}_{SUFFIX}")), True),
        ("f" * 64, False),
        (f"default-{'f' * 64}", False),
        ("cnitool-77383ca0a0715733ca6f", False),
        (f"shop_cart_{SUFFIX}0", False),
    ],
)
def test_an_instances_id_is_told_from_those_of_others(text: str, is_so: bool) -> None:
    """Of Podman, nerdctl and cnitool."""
    assert may_be_rings(text) is is_so


PART = st.text("ab1._-", min_size=1, max_size=70)


@given(PART, PART, st.text("0123456789abcdef", min_size=8, max_size=8))
def test_every_name_becomes_one_that_containerd_takes(
    namespace: str, deployment: str, suffix: str
) -> None:
    found = container_id(InstanceName(f"{namespace}_{deployment}_{suffix}"))
    assert is_legal(found)
    assert found.endswith(suffix)


@pytest.mark.parametrize("text", ["", "a_", "_a", "a/b", "a b", "ä", "a" * 77, "a--b"])
def test_what_containerd_refuses(text: str) -> None:
    assert not is_legal(text)
