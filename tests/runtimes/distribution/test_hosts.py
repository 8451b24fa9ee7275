"""Where a registry is asked, as a `hosts.toml` says it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from ring.runtimes.distribution.hosts import PULL, RESOLVE, Endpoint, Hosts
from ring.runtimes.distribution.problems import RegistryProblem
from ring.runtimes.images.refusals import Cause
from tests.certificates import Authority

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio


def write(hosts_dir: Path, name: str, text: str) -> Path:
    folder = hosts_dir / name
    folder.mkdir()
    file = folder / "hosts.toml"
    file.write_text(text)
    return file


async def endpoints(
    hosts_dir: Path, registry: str, capability: str = PULL, *, insecure: tuple[str, ...] = ()
) -> tuple[Endpoint, ...]:
    return await Hosts(hosts_dir, insecure).of(registry, capability)


async def bases(hosts_dir: Path, registry: str, capability: str = PULL) -> list[str]:
    return [f"{one.base}" for one in await endpoints(hosts_dir, registry, capability)]


async def refused(hosts_dir: Path, registry: str = "reg.example") -> str:
    with pytest.raises(RegistryProblem) as caught:
        await endpoints(hosts_dir, registry)
    assert caught.value.cause is Cause.OTHER
    return caught.value.text


def is_verified(endpoint: Endpoint) -> bool:
    return endpoint.tls.verify_mode is ssl.CERT_REQUIRED and endpoint.tls.check_hostname


@pytest.mark.parametrize(
    ("registry", "base"),
    [
        ("reg.example", "https://reg.example/v2"),
        ("reg.example:5000", "https://reg.example:5000/v2"),
        ("Reg.Example", "https://reg.example/v2"),
        ("docker.io", "https://registry-1.docker.io/v2"),
        ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/v2"),
        ("10.0.0.1", "https://10.0.0.1/v2"),
    ],
)
async def test_a_registry_is_asked_itself(hosts_dir: Path, registry: str, base: str) -> None:
    (found,) = await endpoints(hosts_dir, registry)
    assert f"{found.base}" == base
    assert is_verified(found)
    assert not found.is_mirror


@pytest.mark.parametrize(
    "registry", ["localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "lab.example:5000"]
)
async def test_what_may_be_plain(hosts_dir: Path, registry: str) -> None:
    found = await endpoints(hosts_dir, registry, insecure=("Lab.example:5000",))
    assert [f"{one.base}" for one in found] == [f"https://{registry}/v2", f"http://{registry}/v2"]
    assert [one.is_fallback for one in found] == [False, True]
    assert not is_verified(found[0])


async def test_another_port_is_not_insecure(hosts_dir: Path) -> None:
    assert len(await endpoints(hosts_dir, "lab.example", insecure=("lab.example:5000",))) == 1


async def test_no_folder_at_all(tmp_path: Path) -> None:
    assert await bases(tmp_path / "absent", "reg.example") == ["https://reg.example/v2"]


async def test_mirrors_come_first_in_their_order(hosts_dir: Path) -> None:
    write(
        hosts_dir,
        "docker.io",
        """
        server = "https://registry-1.docker.io"
        [host."https://z.example"]
          capabilities = ["pull"]
        [host."http://a.example:5000/team/"]
          capabilities = ["pull", "resolve"]
        [host."https://kept.example/odd"]
          override_path = true
        [host."bare.example/v2"]
        """,
    )
    assert await bases(hosts_dir, "docker.io") == [
        "https://z.example/v2",
        "http://a.example:5000/team/v2",
        "https://kept.example/odd",
        "https://bare.example/v2",
        "https://registry-1.docker.io/v2",
    ]
    found = await endpoints(hosts_dir, "docker.io", RESOLVE)
    assert [one.base.host for one in found] == [
        "a.example",
        "kept.example",
        "bare.example",
        "registry-1.docker.io",
    ]
    assert [one.is_mirror for one in found] == [True, True, True, False]


@pytest.mark.parametrize(
    ("written", "is_mirror"),
    [
        ("https://reg.example", False),
        ("https://reg.example:443/x", False),
        ("http://reg.example", False),
        ("https://reg.example:5000", True),
        ("https://other.example", True),
    ],
)
async def test_the_registry_is_known_by_its_name(
    hosts_dir: Path, written: str, is_mirror: bool
) -> None:
    write(hosts_dir, "reg.example", f'server = "{written}"')
    (found,) = await endpoints(hosts_dir, "reg.example")
    assert found.is_mirror is is_mirror


async def test_without_a_server_it_is_the_registry_itself(hosts_dir: Path) -> None:
    write(hosts_dir, "127.0.0.1:5000", '[host."https://m.example"]\n[header]\nx-a = "b"')
    found = await endpoints(hosts_dir, "127.0.0.1:5000")
    assert [f"{one.base}" for one in found] == [
        "https://m.example/v2",
        "https://127.0.0.1:5000/v2",
        "http://127.0.0.1:5000/v2",
    ]
    assert [is_verified(one) for one in found] == [True, False, False]
    assert [one.headers for one in found] == [(), (("x-a", "b"),), (("x-a", "b"),)]


@pytest.mark.parametrize("name", ["reg.example_5000_", "reg.example:5000", "_default"])
async def test_the_folder_of_a_port(hosts_dir: Path, name: str) -> None:
    write(hosts_dir, name, 'server = "https://found.example"')
    assert await bases(hosts_dir, "reg.example:5000") == ["https://found.example/v2"]


async def test_the_default_is_for_registries_without_a_folder(hosts_dir: Path) -> None:
    write(hosts_dir, "_default", '[host."https://m.example"]')
    write(hosts_dir, "own.example", "")
    assert await bases(hosts_dir, "reg.example") == [
        "https://m.example/v2",
        "https://reg.example/v2",
    ]
    assert await bases(hosts_dir, "own.example") == ["https://own.example/v2"]


async def test_a_file_counts_from_the_next_question_on(hosts_dir: Path) -> None:
    hosts = Hosts(hosts_dir)
    (before,) = await hosts.of("reg.example", PULL)
    (same,) = await hosts.of("reg.example", PULL)
    assert before.tls is same.tls  # else no connection would be used twice
    write(hosts_dir, "reg.example", 'server = "https://found.example"')
    (after,) = await hosts.of("reg.example", PULL)
    assert f"{after.base}" == "https://found.example/v2"


async def test_headers_of_a_host(hosts_dir: Path) -> None:
    write(
        hosts_dir,
        "reg.example",
        """
        [host."https://m.example"]
          [host."https://m.example".header]
            x-one = "1"
            x-more = ["2", "3"]
        """,
    )
    mirror, own = await endpoints(hosts_dir, "reg.example")
    assert mirror.headers == (("x-one", "1"), ("x-more", "2"), ("x-more", "3"))
    assert own.headers == ()
    assert "x-one" not in repr(mirror)


async def test_certificates(hosts_dir: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certs")
    client = authority.issue("client")
    both = tmp_path / "both.pem"
    both.write_bytes(client.cert.read_bytes() + client.key.read_bytes())
    file = write(
        hosts_dir,
        "reg.example",
        f"""
        [host."https://a.example"]
          ca = "own.pem"
          client = "{both}"
        [host."https://b.example"]
          ca = ["own.pem", "{authority.ca}"]
          client = [["{client.cert}", "{client.key}"], ["{both}", ""]]
        [host."https://c.example"]
          client = ["{both}"]
          skip_verify = true
        """,
    )
    (file.parent / "own.pem").write_bytes(authority.ca.read_bytes())
    a, b, c, own = await endpoints(hosts_dir, "reg.example")
    assert "test authority" in f"{a.tls.get_ca_certs()}"
    assert [is_verified(one) for one in (a, b, c, own)] == [True, True, False, True]


async def test_a_certificate_that_is_renewed_is_read_again(hosts_dir: Path, tmp_path: Path) -> None:
    write(hosts_dir, "reg.example", 'ca = "ca.pem"\nserver = "https://reg.example"')
    file = hosts_dir / "reg.example" / "ca.pem"
    hosts = Hosts(hosts_dir)
    found = set()
    for name in ("one", "other"):
        file.write_bytes(Authority(tmp_path / name).ca.read_bytes() + name.encode())
        found.add((await hosts.of("reg.example", PULL))[0].tls)
    assert len(found) == 2


async def test_certificates_as_docker_keeps_them(hosts_dir: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "certs")
    client = authority.issue("client")
    folder = hosts_dir / "reg.example"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(authority.ca.read_bytes())
    (folder / "client.cert").write_bytes(client.cert.read_bytes())
    (folder / "client.key").write_bytes(client.key.read_bytes())
    (found,) = await endpoints(hosts_dir, "reg.example")
    assert "test authority" in f"{found.tls.get_ca_certs()}"
    (folder / "client.key").unlink()
    assert "client.key cannot be read: No such file" in await refused(hosts_dir)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("server = ", "is no TOML"),
        ("host = 4", "has a 'host' that is no table"),
        ("[host]\nx = 4", "has a host 'x' that is no table"),
        ("server = 4", "must have text as 'server'"),
        ('server = "https://"', "names a host that is no URL"),
        ('server = "https://a:b@x.example"', "names a host that is no URL"),
        ('server = "https://x.example?y=z"', "names a host that is no URL"),
        ('server = "https://x.example:99999"', "names a host that is no URL"),
        ('[host."x"]\ncapabilities = ["fly"]', "must have a list of pull, push, resolve"),
        ('[host."x"]\ncapabilities = 4', "as 'capabilities'"),
        ('[host."x"]\nskip_verify = "yes"', "must have true or false as 'skip_verify'"),
        ('[host."x"]\noverride_path = 1', "must have true or false as 'override_path'"),
        ('[host."x"]\nheader = "x"', "must have a table as 'header'"),
        ('[host."x".header]\na = 4', "must have text or a list of texts as 'header'"),
        ('[host."x"]\nca = 4', "must have text or a list of texts as 'ca'"),
        ('[host."x"]\nca = "absent.pem"', "absent.pem cannot be read: No such file"),
        ('[host."x"]\nca = "hosts.toml"', "holds no certificates in PEM form"),
        ('[host."x"]\nclient = [["a", "b", "c"]]', "as 'client'"),
        ('[host."x"]\nclient = "hosts.toml"', "is no certificate in PEM form"),
    ],
)
async def test_what_cannot_be_is_told(hosts_dir: Path, text: str, why: str) -> None:
    write(hosts_dir, "reg.example", text)
    told = await refused(hosts_dir)
    assert f"{hosts_dir}/reg.example/" in told
    assert why in told


async def test_a_file_that_cannot_be_read(hosts_dir: Path) -> None:
    (hosts_dir / "reg.example" / "hosts.toml").mkdir(parents=True)
    assert "hosts.toml cannot be read: Is a directory" in await refused(hosts_dir)
    write(hosts_dir, "own.example", "").write_bytes(b"\xff")
    assert "is no TOML" in await refused(hosts_dir, "own.example")


async def test_nobody_to_ask_is_told(hosts_dir: Path) -> None:
    text = 'server = "https://reg.example"\ncapabilities = ["push"]'
    write(hosts_dir, "reg.example", text)
    assert "names no host to pull from reg.example" in await refused(hosts_dir)


@pytest.mark.parametrize(
    "registry", ["..", ".", "a/b", "-a", "a_b..", "a:99999", "[x]", "é.example"]
)
async def test_no_name_leads_out_of_the_folder(hosts_dir: Path, registry: str) -> None:
    with pytest.raises(RegistryProblem, match="is no name of a registry") as caught:
        await endpoints(hosts_dir, registry)
    assert caught.value.cause is Cause.NOT_FOUND
