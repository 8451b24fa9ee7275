from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from ring.core.checking import check
from ring.manifest import Manifest, ManifestError, load_manifest
from tests.core.bodies import CAPABILITIES, EVERYTHING, FULL

VARIABLES = {"APP": "x", "NS": "prod", "IP": "127.0.0.1", "BUILD": "1.27", "POLICY": "Never"}
HEAD = "name: web, namespace: shop, image: nginx"


def loaded(text: str) -> Manifest:
    return load_manifest(
        dedent(text), origin="ring.yaml", lookup=VARIABLES.get, directory=Path("/nowhere")
    )


def body(members: str) -> dict[str, Any]:
    """The body of a deployment that sets these members in flow style."""
    (entry,) = loaded(f"deployments: {{ web: {{ {HEAD}, {members} }} }}").deployments
    return entry.body


def refused(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        loaded(text)
    return caught.value.message.split("\n")


def test_a_body_reads_from_what_it_is_to_what_it_has() -> None:
    mount = "{ destination: /d, source: s, type: volume }"
    found = body(f"volumes: [{mount}], ports: [{{ published: 1, target: 2 }}], replicas: 2")
    assert list(found) == [
        *("name", "namespace", "runtime", "kind", "image", "replicas", "labels", "environment"),
        *("volumes", "ports"),
    ]
    assert list(found["volumes"][0])[-2:] == ["driver", "permission"]


def test_what_is_always_sent() -> None:
    (entry,) = loaded(f"deployments: {{ key: {{ {HEAD} }} }}").deployments
    assert entry.key == "key"
    assert entry.name == "web"
    assert entry.problem is None
    assert entry.body == {
        "name": "web",
        "namespace": "shop",
        "runtime": "docker",
        "kind": "worker",
        "image": "nginx",
        "replicas": 1,
        "labels": {},
        "environment": {},
        "volumes": [],
    }


def test_the_example_of_a_body() -> None:
    manifest = loaded(
        """
        namespaces:
          shop: { name: shop }
        deployments:
          storefront:
            name: storefront
            namespace: shop
            image: ghcr.io/acme/storefront:4.2
            replicas: 2
            environment:
              LOG_FORMAT: json
              DB_URL: { secretRef: storefront-db }
            volumes:
              - { type: config, source: gateway-conf, key: gateway.conf, destination: /etc/gw.conf }
        """
    )
    assert manifest.deployments[0].body == {
        "name": "storefront", "namespace": "shop", "runtime": "docker", "kind": "worker",
        "image": "ghcr.io/acme/storefront:4.2", "replicas": 2, "labels": {},
        "environment": {"LOG_FORMAT": "json", "DB_URL": {"secretRef": "storefront-db"}},
        "volumes": [
            {
                "type": "config", "source": "gateway-conf", "key": "gateway.conf",
                "destination": "/etc/gw.conf", "driver": "local", "permission": "ro",
            }
        ],
    }  # fmt: skip
    assert manifest.namespaces[0].body == {"name": "shop"}
    assert manifest.namespaces[0].name == "shop"
    assert manifest.warnings == ()


def test_nothing_to_deploy_is_a_manifest() -> None:
    for text in ("deployments: {}", "deployments:", "namespaces: { a: { name: ab } }"):
        assert loaded(text).deployments == ()


def test_replicas() -> None:
    assert body("kind: worker")["replicas"] == 1
    assert body("replicas: 0")["replicas"] == 0
    assert body("replicas: null")["replicas"] == 1


def test_yaml_and_json_give_the_same_bodies() -> None:
    text = json.dumps({"deployments": {"web": {**FULL, "labels": [{"tier": "edge"}]}}}, indent=2)
    from_json = loaded(text)
    from_yaml = loaded(
        """
        deployments:
          web:
            name: web
            namespace: shop
            image: nginx:1.27
            environment: { PORT: 8080 }
            ports: [{ published: 8080, target: 80 }]
        """
    )
    same = loaded(
        '{"deployments":{"web":{"name":"web","namespace":"shop","image":"nginx:1.27",'
        '"environment":{"PORT":"8080"},"ports":[{"published":8080,"target":80}]}}}'
    )
    assert from_yaml.deployments == same.deployments
    sent = from_json.deployments[0].body
    assert from_json.warnings == ("unknown field 'deployments.web.manifest' ignored",)
    assert check(json.dumps(sent), CAPABILITIES, unavailable=EVERYTHING).violations == ()


def test_every_field_reaches_the_body() -> None:
    text = json.dumps({"name": "site", "deployments": {"web": FULL}})
    sent = loaded(text).deployments[0].body
    assert set(sent) == set(FULL)
    filled = {"threshold": 3, "readiness": False}
    assert sent["health_checks"] == [{**filled, **item} for item in FULL["health_checks"]]
    config = {name: part for name, part in FULL["config"].items() if name != "use_host_auth"}
    assert sent["config"] == config
    skipped = {"health_checks", "config", "volumes"}
    assert {name: sent[name] for name in sent if name not in skipped} == {
        name: FULL[name] for name in FULL if name not in skipped
    }


def test_strings_are_taken_as_written() -> None:
    sent = body(
        "resources: { limits: { cpu: 2, memory: 1048576 } }, command: [1, 1.10, true],"
        "environment: { PORT: 8080, A: yes, B: 1.10, C: 12:30, D: 2026-01-31, on: x, E: 010 },"
        "labels: { debug: true, 5: 0x10 }"
    )
    assert sent["resources"] == {"limits": {"cpu": "2", "memory": "1048576"}}
    assert sent["command"] == ["1", "1.10", "true"]
    assert sent["environment"] == {
        "PORT": "8080", "A": "yes", "B": "1.10", "C": "12:30", "D": "2026-01-31", "on": "x",
        "E": "010",
    }  # fmt: skip
    assert sent["labels"] == {"debug": "true", "5": "0x10"}


def test_null_is_no_string() -> None:
    assert refused(f"deployments: {{ web: {{ {HEAD}, environment: {{ A: }} }} }}") == [
        "Invalid YAML: ring.yaml:1:80: deployments.web.environment.A: "
        "must be a string or {secretRef}, not null"
    ]


def test_labels_in_every_shape() -> None:
    as_map = body('labels: { tier: edge, "proxy.enable": "true" }')
    as_list = body('labels: [ { tier: core }, { tier: edge, "proxy.enable": "true" } ]')
    assert as_map["labels"] == {"tier": "edge", "proxy.enable": "true"}
    assert as_map == as_list
    for nothing in ("[]", "null", "{}", "[{}]"):
        assert body(f"labels: {nothing}")["labels"] == {}


@pytest.mark.parametrize("labels", ["edge", "5", "'x'"])
def test_labels_of_another_shape(labels: str) -> None:
    (line,) = refused(f"deployments: {{ web: {{ {HEAD}, labels: {labels} }} }}")
    assert line.endswith("deployments.web.labels: labels must be an array or object")


def test_items_of_a_labels_list_must_be_maps() -> None:
    lines = refused(f"deployments: {{ web: {{ {HEAD}, labels: [a, {{ b: c }}, [d]] }} }}")
    assert [line.partition(": deployments")[2] for line in lines] == [
        ".web.labels[0]: an item of a labels list must be an object",
        ".web.labels[2]: an item of a labels list must be an object",
    ]


def test_label_values_are_strings() -> None:
    (line,) = refused(f"deployments: {{ web: {{ {HEAD}, labels: {{ a: [x] }} }} }}")
    assert line.endswith("deployments.web.labels.a: must be a string, not a list")


def test_unknown_fields_are_named_in_file_order() -> None:
    manifest = loaded(
        """
        x-anything: { a: 1 }
        version: 3
        deployments:
          web:
            args: [a]
            name: web
            namespace: shop
            image: nginx
            manifest: mine
            x-note: 1
            ports: [{ published: 1, target: 1, nope: 1 }]
        namespaces:
          shop: { name: shop, colour: red }
        """
    )
    assert manifest.warnings == tuple(
        f"unknown field '{path}' ignored"
        for path in (
            "version",
            "deployments.web.args",
            "deployments.web.manifest",
            "deployments.web.x-note",
            "deployments.web.ports[0].nope",
            "namespaces.shop.colour",
        )
    )


def test_interpolation_reaches_what_it_should() -> None:
    sent = body(
        'command: [a, "$APP ${APP} $APPLE"], environment: { A: $APP, B: { secretRef: $APP } },'
        "labels: { $APP: $APP }, resources: { limits: { cpu: $APP } },"
        "volumes: [{ type: config, source: $APP, key: $APP, destination: /$APP }],"
        "ports: [{ published: 1, target: 1, host_ip: $IP }], network: { dns: $APP },"
        "health_checks: [{ type: command, command: echo $APP, interval: 1s, timeout: 1s,"
        "  on_failure: stop }, { type: http, url: http://$APP, interval: 1s, timeout: 1s,"
        "  on_failure: stop }],"
        "config: { image_pull_policy: $POLICY, server: $APP, username: $APP, password: $APP,"
        "  image_pull_secret: $APP }"
    )
    assert sent["command"] == ["a", "x ${APP} $APPLE"]
    assert sent["environment"] == {"A": "x", "B": {"secretRef": "x"}}
    assert sent["labels"] == {"$APP": "x"}
    assert sent["resources"] == {"limits": {"cpu": "x"}}
    (volume,) = sent["volumes"]
    assert (volume["source"], volume["key"], volume["destination"]) == ("x", "x", "/x")
    assert sent["ports"][0]["host_ip"] == "127.0.0.1"
    assert sent["network"] == {"dns": "$APP"}
    assert sent["health_checks"][0]["command"] == "echo $APP"
    assert sent["health_checks"][1]["url"] == "http://$APP"
    assert sent["config"] == {
        "image_pull_policy": "Never", "server": "x", "username": "x", "password": "x",
        "image_pull_secret": "x",
    }  # fmt: skip


def test_interpolation_of_identity_and_namespaces() -> None:
    manifest = loaded(
        """
        name: $APP
        namespaces: { a: { name: $NS } }
        deployments:
          web: { name: web-$APP, namespace: $NS, image: "nginx:$BUILD", runtime: docker }
        """
    )
    sent = manifest.deployments[0].body
    assert (sent["name"], sent["namespace"], sent["image"]) == ("web-x", "prod", "nginx:1.27")
    assert manifest.namespaces[0].body == {"name": "prod"}
    assert manifest.name == sent["manifest"] == "$APP"


def test_undefined_variables_warn_once_a_field() -> None:
    manifest = loaded(
        """
        deployments:
          web:
            name: web
            namespace: $NOPE
            image: nginx
            command: ["$NOPE $NOPE $NADA", b]
        """
    )
    assert manifest.deployments[0].body["command"] == ["$NOPE $NOPE $NADA", "b"]
    assert manifest.warnings == (
        "undefined variable '$NOPE' left as is (deployments.web.namespace)",
        "undefined variable '$NOPE', '$NADA' left as is (deployments.web.command[0])",
    )


def test_config_and_secret_volumes_are_read_only_whatever_the_file_says() -> None:
    volumes = body(
        "volumes: [{ type: secret, source: a, destination: /a, permission: rw },"
        "{ type: config, source: a, key: k, destination: /b },"
        "{ type: bind, source: /a, destination: /c },"
        "{ type: volume, source: a, destination: /d, permission: ro, driver: nfs }]"
    )["volumes"]
    assert [volume["permission"] for volume in volumes] == ["ro", "ro", "rw", "ro"]
    assert [volume["driver"] for volume in volumes] == ["local", "local", "local", "nfs"]
    assert [sorted(volume) for volume in volumes if "key" in volume] == [
        ["destination", "driver", "key", "permission", "source", "type"]
    ]


@pytest.mark.parametrize(
    "nothing",
    [
        "config: {}", "config: { use_host_auth: false, user: {} }", "command: []", "resources: {}",
        "resources: { limits: {} }", "health_checks: []", "ports: null", "security: {}",
        "autoscale: null", "tmpfs: []", "sysctls: {}", "volumes: null", "environment: ~",
    ],
)  # fmt: skip
def test_what_is_unset_or_empty_is_not_sent(nothing: str) -> None:
    assert body(nothing) == body("kind: worker")


def test_network() -> None:
    assert body("network: {}")["network"] == {"mode": "bridge"}
    assert body("network: { mode: host }")["network"] == {"mode": "host"}
    assert body("network: { dns: { a: null } }")["network"] == {"dns": {}}


def test_false_is_sent_where_it_says_something() -> None:
    sent = body("init: false, security: { read_only: false }, config: { use_host_auth: true }")
    assert sent["init"] is False
    assert sent["security"] == {"read_only": False}
    assert sent["config"] == {"use_host_auth": True}


def test_port_ranges_are_left_to_the_server() -> None:
    sent = body("ports: [{ published: 8080-8081, target: '80-81' }]")
    assert sent["ports"] == [{"published": "8080-8081", "target": "80-81"}]


def test_the_network_of_a_namespace_is_sent_as_it_is() -> None:
    (entry,) = loaded(
        """
        namespaces:
          shop:
            name: shop
            network:
              subnet: 10.46.3.0/24
              reserved: { resolver: 10.46.3.53 }
              ipv6: { subnet: "fd46:3::/64", gateway: "fd46:3::1" }
              mtu: 1450
              internal: false
              host_ip: null
              labels: { team: 7 }
              policy: { ingress: allow, egress: deny }
        """
    ).namespaces
    assert entry.body == {
        "name": "shop",
        "network": {
            "subnet": "10.46.3.0/24", "reserved": {"resolver": "10.46.3.53"},
            "ipv6": {"subnet": "fd46:3::/64", "gateway": "fd46:3::1"}, "mtu": 1450,
            "internal": False, "labels": {"team": "7"},
            "policy": {"ingress": "allow", "egress": "deny"},
        },
    }  # fmt: skip


def test_the_network_of_a_namespace_in_a_wrong_shape() -> None:
    lines = refused(
        """
        namespaces:
          a:
            name: shop
            network: { subnet: [x], mtu: wide, policy: { ingress: maybe }, colour: red }
        """
    )
    assert lines == [
        "Invalid YAML: ring.yaml:5:16: namespaces.a.network.subnet: "
        "must be a string or an object, not a list",
        "ring.yaml:5:29: namespaces.a.network.mtu: must be an integer, not a string",
        "ring.yaml:5:50: namespaces.a.network.policy.ingress: 'maybe' is not supported: "
        "use allow or deny",
    ]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ("name: ' ', namespace: a, image: b", "Deployment name cannot be empty"),
        ("name: a, namespace: '', image: b", "Deployment namespace cannot be empty"),
        ("name: a, namespace: b, image: '  '", "Deployment image cannot be empty"),
        (
            "name: a, namespace: b, image: c, runtime: xen",
            "Runtime 'xen' not supported. Supported runtimes: "
            "docker, podman, containerd, cloud-hypervisor, firecracker",
        ),
    ],
)
def test_client_checks_fail_only_their_entry(members: str, problem: str) -> None:
    manifest = loaded(f"deployments: {{ one: {{ {members} }}, two: {{ {HEAD} }} }}")
    assert [entry.problem for entry in manifest.deployments] == [problem, None]


def test_client_checks_see_the_values_after_interpolation() -> None:
    manifest = load_manifest(
        "deployments: { a: { name: $EMPTY, namespace: b, image: c } }",
        origin="x",
        lookup={"EMPTY": ""}.get,
        directory=Path("/nowhere"),
    )
    assert manifest.deployments[0].problem == "Deployment name cannot be empty"


def test_entries_keep_the_order_of_the_file() -> None:
    keys = ["zeta", "alpha", "mid"]
    text = "\n".join(f"  {key}: {{ {HEAD} }}" for key in keys)
    assert [entry.key for entry in loaded(f"deployments:\n{text}").deployments] == keys


def test_every_problem_of_a_file_with_its_place() -> None:
    lines = refused(
        """
        namespaces:
          shop: {}
        deployments:
          web:
            image: [nginx]
            namespace: shop
            replicas: two
            command: run
            ports:
              - { published: 70000, target: "80" }
              - "8080:80"
          db:
            name: db
            namespace: shop
            image: pg
            kind: cron
        """
    )
    assert lines == [
        "Invalid YAML: ring.yaml:3:3: namespaces.shop.name: name is required",
        "ring.yaml:5:3: deployments.web.name: name is required",
        "ring.yaml:6:5: deployments.web.image: must be a string, not a list",
        "ring.yaml:8:5: deployments.web.replicas: must be an integer, not a string",
        "ring.yaml:9:5: deployments.web.command: must be a list, not a string",
        "ring.yaml:11:11: deployments.web.ports[0].published: "
        "must be between 1 and 65535, not 70000",
        "ring.yaml:11:29: deployments.web.ports[0].target: must be an integer, not a string",
        "ring.yaml:12:9: deployments.web.ports[1]: must be an object, not a string",
        "ring.yaml:17:5: deployments.db.kind: 'cron' is not supported: use worker or job",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: the manifest is empty"),
        ("# nothing", "1:1: the manifest is empty"),
        ("[]", "1:1: a manifest is a map of deployments, namespaces and configs, not a list"),
        ("7", "1:1: a manifest is a map of deployments, namespaces and configs, not a value"),
        ("name: x", "1:1: a manifest needs deployments, namespaces or configs"),
        ("deployments: []", "1:1: deployments: must be an object, not a list"),
        ("deployments: { a: }", "1:16: deployments.a: must be an object, not null"),
    ],
)
def test_no_manifest(text: str, message: str) -> None:
    assert refused(text) == [f"Invalid YAML: ring.yaml:{message}"]


def test_health_check_of_an_unknown_type() -> None:
    lines = refused(
        f"deployments: {{ web: {{ {HEAD}, health_checks: [{{ type: ping, interval: 1s }}, 5,"
        "{ type: [x], interval: 1s, timeout: 1s, on_failure: stop }] } }"
    )
    assert [line.rpartition("health_checks")[2] for line in lines] == [
        "[0].timeout: timeout is required",
        "[0].on_failure: on_failure is required",
        "[0].type: 'ping' is not supported: use tcp, http or command",
        "[1]: must be an object, not an integer",
        "[2].type: must be one of the words tcp, http, command, not a list",
    ]


def test_messages_keep_to_one_line_whatever_the_keys_are() -> None:
    assert refused('deployments: { "a\\nb\\e[2J": 5 }') == [
        "Invalid YAML: ring.yaml:1:16: deployments.a\\nb\\x1b[2J: must be an object, not an integer"
    ]
    assert loaded('{ deployments: {}, "x\\ny": 1 }').warnings == ("unknown field 'x\\ny' ignored",)
