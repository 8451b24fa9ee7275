from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.core.model.quantities import QuantityError, parse_cpu, parse_duration, parse_memory

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "nano"),
    [
        ("500m", 500_000_000),
        ("250m", 250_000_000),
        ("0.5", 500_000_000),
        ("2", 2_000_000_000),
        ("1.5", 1_500_000_000),
        ("5.", 5_000_000_000),
        (".5", 500_000_000),
        (" 1 ", 1_000_000_000),
        ("0.0000000019", 1),
        ("0.99999999999999999999999999999999999999", 999_999_999),
    ],
)
def test_cpu(text: str, nano: int) -> None:
    assert parse_cpu(text) == nano


@pytest.mark.parametrize(
    "text",
    [
        "fast",
        "-1",
        "+1",
        "nan",
        "inf",
        "0",
        "0.0",
        "0m",
        "",
        " ",
        "1e3",
        "1 m",
        "1M",
        ".",
        "٣",
        LONG,
    ],
)
def test_no_cpu(text: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_cpu(text)
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64Mi", 64 * 1024**2),
        ("1.5G", 1_500_000_000),
        ("1048576", 1_048_576),
        ("999Ti", 999 * 1024**4),
        ("1K", 1000),
        ("1Ki", 1024),
        (".5Ki", 512),
        ("1.0009K", 1000),
    ],
)
def test_memory(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text", ["64mb", "64 Mi", "1.5", "64MB", "64mi", "-1", "0", "0Mi", "", "0.1Kib", "1e3", LONG]
)
def test_no_memory(text: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_memory(text)
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("text", "ms"), [("500ms", 500), ("10s", 10_000), ("2m", 120_000), ("1h", 3_600_000), ("0s", 0)]
)
def test_duration(text: str, ms: int) -> None:
    assert parse_duration(text) == ms


@pytest.mark.parametrize("text", ["10", "1.5s", "", "-1s", "1 s", " 1s", "1S", "1d", "1s\n", LONG])
def test_no_duration(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_duration(text)


@given(st.text())
def test_any_text_is_a_quantity_or_a_quantity_error(text: str) -> None:
    for parse in (parse_cpu, parse_memory, parse_duration):
        try:
            value = parse(text)
        except QuantityError:
            continue
        assert value >= 0
