"""Where requests may be sent, however it is spelled."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring.security.destinations import Refused, blocked, check

BLOCKED = [
    "http://127.0.0.1/x",
    "http://127.0.0.1:8080/x",
    "https://127.255.255.254/",
    "http://LOCALHOST/x",
    "http://localhost./x",
    "http://a.b.LocalHost/x",
    "http://a.localhost.:80/",
    "http://2130706433/x",
    "http://0x7f000001/",
    "http://0X7F000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://00000177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://0/",
    "http://0x/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::1]/x",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:7f00:0001]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[fc00::1%25eth0]/",
    "http://169.254.169.254/latest/meta-data",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://a@127.0.0.1/",
    "http://hook.example@127.0.0.1/",
    "http://hook.example:80@127.0.0.1/",
    "http://a@b@127.0.0.1/",
    "http://１２７.０.０.１/",  # noqa: RUF001 - full-width digits
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "http://ⓛocalhost/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example/",
    "http://loc%61lhost/",
    "http://hook.example\\@127.0.0.1/",
    "http://127.0.0.1\\.example/",
    "http:\\\\127.0.0.1/",
]
MALFORMED = [
    "",
    "hook.example/x",
    "//hook.example/x",
    "/x",
    "http:",
    "http://",
    "http:///x",
    "http:/hook.example",
    "http:hook.example",
    "http://:80/",
    "http://@/",
    "ftp://h/x",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "httpx://hook.example/",
    "unix:///var/run/docker.sock",
    " http://hook.example/",
    "http://hook.example/ ",
    "http://hook .example/",
    "http://hook.example/\tx",
    "ht\ntp://hook.example/",
    "http://hook.example/\r\nHost: x",
    "http://hook.example/\x00",
    "http://hook\u00a0.example/",
    "http://hook\u2028.example/",
    "http://hook.example:99999/",
    "http://hook.example:0/",
    "http://hook.example:x/",
    "http://hook..example/",
    "http://.hook.example/",
    "http://[::1/",
    "http://[127.0.0.1]/",
    "http://[1:2:3]/",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://08.1.1.1/",
    "http://4294967296/",
    "http://hook.example.9/",
    "http://hook.0x7f/",
    f"http://{'a' * 64}.{'b' * 250}.example/",
    f"http://hook.example/{'x' * 5000}",
    f"http://0x{'0' * 4000}7f.1/",
    f"http://{'9' * 4000}/",
]
ALLOWED = {
    "http://172.17.0.1:9000/hook": "172.17.0.1",
    "http://172.17.0.1:9/x": "172.17.0.1",
    "http://10.0.0.1/": "10.0.0.1",
    "http://0x0a.1/": "10.0.0.1",
    "http://012.0.0.1/": "10.0.0.1",
    "http://192.168.0.10/": "192.168.0.10",
    "http://8.8.8.8/": "8.8.8.8",
    "http://[fc00::1]:8080/": "fc00::1",
    "http://[fd12:3456::1]/": "fd12:3456::1",
    "http://[2001:db8::1]/": "2001:db8::1",
    "http://[::ffff:10.0.0.1]/": "::ffff:a00:1",
    "http://[64:ff9b::8.8.8.8]/": "64:ff9b::808:808",
    "http://hook.example/": "hook.example",
    "HTTPS://Hook.Example:8443/x?y=z#frag": "hook.example",
    "http://hook.example./": "hook.example.",
    "http://hook_1.example/": "hook_1.example",
    "http://hook/": "hook",
    "http://localhost.example/": "localhost.example",
    "http://notlocalhost/": "notlocalhost",
    "http://bücher.example/": "xn--bcher-kva.example",
    "http://user:word@hook.example/": "hook.example",
    "http://hook.example/@127.0.0.1": "hook.example",
    "http://hook.example?@127.0.0.1": "hook.example",
    "http://127.0.0.1.example/": "127.0.0.1.example",
}


@pytest.mark.parametrize("url", BLOCKED)
def test_no_spelling_leads_to_this_machine(url: str) -> None:
    with pytest.raises(Refused):
        check(url)


@pytest.mark.parametrize("url", MALFORMED)
def test_what_is_not_a_usable_url_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        check(url)


@pytest.mark.parametrize(("url", "host"), ALLOWED.items())
def test_every_other_destination_is_taken_under_one_spelling(url: str, host: str) -> None:
    found = check(url)
    assert (found.host, found.url.raw_host) == (host, host)
    assert (found.address is None) == (not _is_address(host))


def test_what_it_is_refused_for_is_told() -> None:
    with pytest.raises(Refused, match=r"its address 127\.0\.0\.1 is blocked"):
        check("http://0x7f.1/")
    with pytest.raises(Refused, match="its host 'localhost' is this machine itself"):
        check("http://localhost/")
    with pytest.raises(Refused, match="it does not begin with http:// or https://"):
        check("ftp://h/x")


def test_the_rest_of_the_url_stays_as_it_is() -> None:
    found = check("https://0xa.1:8443/a%2Fb?c=d%20e")
    assert str(found.url) == "https://10.0.0.1:8443/a%2Fb?c=d%20e"
    assert (found.port, check("https://h/").port, check("http://h/").port) == (8443, 443, 80)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::ffff:", "::", "64:ff9b::", "::ffff:0:"]))
def test_an_embedded_address_is_judged_like_itself(value: int, prefix: str) -> None:
    plain = ipaddress.IPv4Address(value)
    assert blocked(ipaddress.IPv6Address(f"{prefix}{plain}")) == (
        blocked(plain) or (prefix == "::" and value == 1)
    )


@given(st.integers(0, 2**32 - 1))
def test_all_spellings_of_an_address_are_one(value: int) -> None:
    address = ipaddress.IPv4Address(value)
    a, b, c, d = address.packed
    spellings = [
        str(value),
        hex(value),
        f"0{value:o}",
        f"{a}.{value & 0xFFFFFF}",
        f"{a}.0x{b:x}.{(c << 8) | d}",
        f"0{a:o}.{b}.{c}.0x{d:X}",
    ]
    for spelling in spellings:
        if blocked(address):
            with pytest.raises(Refused):
                check(f"http://{spelling}/")
        else:
            assert check(f"http://{spelling}/").address == address


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
