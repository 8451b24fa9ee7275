from __future__ import annotations

import pytest
from dnslib import RCODE, DNSRecord

from ring.network.keeper.resolver import messages
from ring.network.keeper.resolver.tables import Table
from ring.network.keeper.state import Zone
from tests.network.keeper.loopback import by_kind, code, found, query

ZONE = Zone(
    gateways=("10.46.3.1", "fd00:46::1"),
    subnets=("10.46.3.0/24", "fd00:46::/64"),
    records={
        "web": ("10.46.3.10", "10.46.3.11", "10.46.3.12", "fd00:46::10"),
        "shop_Web_abc": ("10.46.3.10", "fd00:46::10"),
        "waiting": (),
        "db.": ("10.46.3.20",),
    },
)


@pytest.fixture
def table() -> Table:
    return Table(ZONE)


def _ask(table: Table, name: str, kind: str = "A") -> bytes | None:
    return table.answer(messages.parse(query(name, kind)), 512)


def _known(table: Table, name: str, kind: str = "A") -> list[str]:
    answer = _ask(table, name, kind)
    assert answer is not None
    assert code(answer) == RCODE.NOERROR
    return found(answer)


def test_every_address_in_another_order_each_time(table: Table) -> None:
    first = ["10.46.3.10", "10.46.3.11", "10.46.3.12"]
    answers = []
    for _ in range(3):
        answers.append(_known(table, "web"))
        assert _known(table, "web", "AAAA") == ["fd00:46::10"]
    assert sorted(answers) == [first, [*first[1:], first[0]], [first[2], *first[:2]]]


def test_answers_last_for_five_seconds_and_are_its_own(table: Table) -> None:
    answer = _ask(table, "web")
    assert answer is not None
    read = DNSRecord.parse(answer)
    assert {record.ttl for record in read.rr} == {5}
    assert (read.header.aa, read.header.ra, read.header.rd) == (1, 1, 1)


@pytest.mark.parametrize("name", ["WEB", "web.", "wEb."])
def test_names_have_no_case(table: Table, name: str) -> None:
    assert len(_known(table, name)) == 3


def test_the_case_of_the_question_is_kept(table: Table) -> None:
    answer = _ask(table, "wEb")
    assert answer is not None
    assert b"\x03wEb" in answer


@pytest.mark.parametrize(
    ("name", "kind"),
    [("db", "AAAA"), ("waiting", "A"), ("waiting", "AAAA"), ("web", "MX"), ("web", "HTTPS")],
)
def test_a_known_name_without_such_an_address_is_no_error(
    table: Table, name: str, kind: str
) -> None:
    assert _known(table, name, kind) == []


def test_any_is_everything(table: Table) -> None:
    answer = _ask(table, "shop_web_abc", "ANY")
    assert answer is not None
    assert by_kind(answer, "A") == ["10.46.3.10"]
    assert by_kind(answer, "AAAA") == ["fd00:46::10"]


def test_an_address_has_its_container_name_first(table: Table) -> None:
    assert _known(table, "10.3.46.10.in-addr.arpa", "PTR") == ["shop_Web_abc.", "web."]
    reverse = "0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.4.0.0.0.0.d.f.ip6.arpa"
    assert _known(table, reverse, "PTR") == ["shop_Web_abc.", "web."]
    assert _known(table, reverse, "A") == []


def test_an_address_of_the_network_that_nobody_has_is_asked_of_nobody(table: Table) -> None:
    answer = _ask(table, "99.3.46.10.in-addr.arpa", "PTR")
    assert answer is not None
    assert code(answer) == RCODE.NXDOMAIN


@pytest.mark.parametrize(
    "name",
    [
        "other",
        "web.shop",
        "example.com",
        "1.4.46.10.in-addr.arpa",
        "3.46.10.in-addr.arpa",
        "x.3.46.10.in-addr.arpa",
        "0.ip6.arpa",
    ],
)
def test_all_else_is_not_its_own(table: Table, name: str) -> None:
    assert _ask(table, name) is None


def test_the_root_and_other_classes_are_not_its_own(table: Table) -> None:
    assert _ask(table, ".") is None
    assert table.answer(messages.parse(query("web")[:-2] + b"\0\3"), 512) is None


@pytest.mark.parametrize("name", ["a" * 64, "a..b", "", "ünder", ".".join(["a" * 60] * 5)])
def test_what_cannot_be_asked_for_does_no_harm(name: str) -> None:
    table = Table(Zone((), (), {name: ("10.0.0.1",), "fine": ("10.0.0.1",)}))
    assert _known(table, "1.0.0.10.in-addr.arpa", "PTR") == ["fine."]


@pytest.mark.parametrize(
    ("client", "is_admitted"),
    [
        ("10.46.3.77", True),
        ("10.46.3.1", True),
        ("fd00:46::5", True),
        ("fd00:46::1", True),
        ("10.46.4.77", False),
        ("127.0.0.1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_only_the_network_and_the_gateway_itself_ask(
    table: Table, client: str, is_admitted: bool
) -> None:
    assert table.admits(client) is is_admitted
