"""`ring deployment list|inspect|delete` and what people type for a deployment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import TOKEN
from tests.cli.stub import Answer, problem

if TYPE_CHECKING:
    from tests.cli.conftest import Ring
    from tests.cli.stub import Request, Stub

ID = "0b1f6d3e-5a53-4f3c-9a61-4f0f7b2f1d10"
OTHER = "0b1f6d3e-0000-4f3c-9a61-4f0f7b2f1d10"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "created_at": "2026-02-11T08:14:09.120331Z",
        "updated_at": "",
        "name": "web",
        "namespace": "shop",
        "runtime": "docker",
        "image": "nginx:1.27",
        "kind": "worker",
        "status": "running",
        "restart_count": 3,
        "command": [],
        "config": {},
        "replicas": 8,
        "revision": 1,
        "ports": [],
        "labels": {},
        "instances": [{"id": "c1"}, {"id": "c2", "address": "10.1.0.2"}],
        "environment": {},
        "volumes": [],
        **changes,
    }


class TestList:
    def test_table(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, [row()]))
        ended = ring("deployment", "list")
        assert (ended.code, ended.err) == (0, "")
        head, line = ended.out.splitlines()[1], ended.out.splitlines()[3]
        assert [cell.strip() for cell in head.strip("|").split("|")] == [
            "ID",
            "Created at (UTC)",
            "Updated at (UTC)",
            "Namespace",
            "Name",
            "Image",
            "Runtime",
            "Kind",
            "Replicas",
            "Status",
        ]
        assert [cell.strip() for cell in line.strip("|").split("|")] == [
            ID,
            "2026-02-11 08:14:09",
            "",
            "shop",
            "web",
            "nginx:1.27",
            "docker",
            "worker",
            "2/8",
            "running",
        ]
        assert "\x1b" not in ended.out

    def test_an_autoscaled_target_is_marked(self, ring: Ring, stub: Stub) -> None:
        policy = {"min": 1, "max": 9, "target_cpu": 50}
        stub.on("GET /deployments", Answer(200, [row(autoscale=policy, desired_replicas=5)]))
        assert "| 2/5*" in ring("deployment", "list").out

    def test_a_stopped_one_wants_none(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, [row(stopped=True, instances=[])]))
        assert "| 0/0 " in ring("deployment", "list").out

    @pytest.mark.parametrize("words", [("deployment", "list"), ("deployment",)])
    def test_json_is_the_body_as_received(
        self, ring: Ring, stub: Stub, words: tuple[str, ...]
    ) -> None:
        body = b'[ {"id":"1","name":"\xc3\xbc"}]'
        stub.on("GET /deployments", Answer(200, body, {"X-Ring-Warnings": "careful"}))
        ended = ring(*words, "-o", "json")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == '[ {"id":"1","name":"ü"}]\n'

    def test_json_of_a_process_is_clean(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, [row()]))
        ended = ring.process("deployment", "list", "--output=json")
        assert (ended.code, ended.err) == (0, "")
        assert json.loads(ended.out) == [row()]

    def test_json_over_several_lines_becomes_one(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, b'[\n  {"id": "1"}\n]\n'))
        assert ring("deployment", "list", "-o", "json").out == '[{"id":"1"}]\n'

    def test_json_moves_no_terminal_and_means_the_same(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, [row(image="a\x9b31m\x7fb\x1b")]))
        out = ring("deployment", "list", "-o", "json").out
        assert not {"\x9b", "\x7f", "\x1b"} & set(out)
        assert json.loads(out)[0]["image"] == "a\x9b31m\x7fb\x1b"

    def test_filters_are_repeated_and_encoded(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, []))
        ring(
            *("deployment", "list", "-n", "shop", "--namespace", "b&d", "-s", "running"),
            *("-l", "env=prod", "-l", "tier=web", "--type", "job"),
        )
        (asked,) = stub.requests
        assert asked.query == [
            ("namespace[]", "shop"),
            ("namespace[]", "b&d"),
            ("status[]", "running"),
            ("label[]", "env=prod"),
            ("label[]", "tier=web"),
            ("kind", "job"),
        ]
        assert "label%5B%5D=env%3Dprod" in asked.target
        assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
        assert asked.headers["Accept"] == asked.headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize(
        ("status", "code", "line"),
        [
            (401, 2, "error: cannot list deployments in namespace 'a,b': not authorized"),
            (403, 2, "error: cannot list deployments in namespace 'a,b': not authorized"),
            (404, 4, "error: cannot list deployments in namespace 'a,b': namespace not found"),
            (500, 1, "error: cannot list deployments in namespace 'a,b': request failed (500)"),
        ],
    )
    def test_refusals(self, ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
        stub.on("GET /deployments", problem(status, "x"))
        ended = ring("deployment", "list", "-n", "a", "-n", "b", "-o", "json")
        assert (ended.code, ended.out, ended.err) == (code, "", line + "\n")

    def test_what_the_server_says_of_its_own_trouble_is_shown_in_one_line(
        self, ring: Ring, stub: Stub
    ) -> None:
        full = problem(500, "Internal Server Error", "cannot read the database: odd\x1b;\nmend it")
        for route in ("GET /deployments", "GET /deployments/x", "DELETE /deployments/x"):
            stub.on(route, full)
        for route in ("/deployments/x/events", "/deployments/x/logs", "/namespaces"):
            stub.on(f"GET {route}", full)
        for words, what in (
            (("deployment", "list"), "cannot list deployments in namespace 'all'"),
            (("namespace", "list"), "cannot list namespaces"),
            (("deployment", "inspect", "x"), "deployment 'x'"),
            (("deployment", "inspect", "a/b"), "deployment 'a/b'"),
            (("deployment", "delete", "x"), "deployment 'x'"),
            (("deployment", "events", "x"), "deployment 'x'"),
            (("deployment", "logs", "x"), "deployment 'x'"),
        ):
            ended = ring(*words)
            assert (ended.code, ended.out) == (1, "")
            assert ended.err == (
                f"error: {what}: request failed (500): "
                "cannot read the database: odd\\x1b; mend it\n"
            )

    def test_a_refusal_without_a_filter_is_about_all(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", problem(403, "Forbidden"))
        assert "in namespace 'all': not authorized" in ring("deployment").err

    def test_warnings_of_the_server_are_shown(self, ring: Ring, stub: Stub) -> None:
        warned = Answer(200, [], {"X-Ring-Warnings": "old client; caf%C3%A9 closed"})
        stub.on("GET /deployments", warned)
        ended = ring("deployment", "list")
        assert ended.err == "Warning: old client\nWarning: café closed\n"

    @pytest.mark.parametrize("body", [b"<html>", b'{"a":1}', b"[1]"])
    def test_an_answer_in_another_shape_is_an_error(
        self, ring: Ring, stub: Stub, body: bytes
    ) -> None:
        stub.on("GET /deployments", Answer(200, body))
        ended = ring("deployment", "list")
        assert ended.code == 1
        assert ended.err.startswith("error: the server")
        assert len(ended.err.splitlines()) == 1


class TestInspect:
    def test_text(self, ring: Ring, stub: Stub) -> None:
        shown = row(
            labels={"tier": "front"},
            ports=[
                {"published": 8080, "target": 80, "host_ip": "::1", "protocol": "tcp"},
                {"published": 53, "target": 53, "host_ip": None, "protocol": "udp"},
            ],
            volumes=[
                {
                    "type": "bind",
                    "source": "/srv",
                    "key": None,
                    "destination": "/data",
                    "driver": "local",
                    "permission": "rw",
                }
            ],
            network={"mode": "bridge"},
            image_digest="sha256:aa",
            parent_id=OTHER,
        )
        stub.on(f"GET /deployments/{ID}", Answer(200, shown))
        ended = ring("deployment", "inspect", ID)
        assert (ended.code, ended.err) == (0, "")
        assert ended.out.splitlines() == [
            "DEPLOYMENT DETAILS",
            "==================",
            f"Id           : {ID}",
            "Name         : web",
            "Namespace    : shop",
            "Kind         : worker",
            "Runtime      : docker",
            "Image        : nginx:1.27",
            "Replicas     : 8",
            "Status       : running",
            "Restart count: 3",
            "Revision     : 1",
            "Created at   : 2026-02-11 08:14:09",
            "Updated at   : ",
            "Ports        : [::1]:8080->80/tcp, 53->53/udp",
            "Network      : bridge",
            "Image digest : sha256:aa",
            f"Parent       : {OTHER}",
            "",
            "LABELS",
            "  tier = front",
            "",
            "INSTANCES",
            "  c1",
            "  c2 (10.1.0.2)",
            "",
            "VOLUMES",
            "+------+--------+-------------+-----+--------+------------+",
            "| Type | Source | Destination | Key | Driver | Permission |",
            "+------+--------+-------------+-----+--------+------------+",
            "| bind | /srv   | /data       |     | local  | rw         |",
            "+------+--------+-------------+-----+--------+------------+",
        ]

    def test_what_it_is_asked_to_do_with_itself(self, ring: Ring, stub: Stub) -> None:
        checks = [
            {
                "type": "http",
                "url": "http://localhost/up",
                "interval": "5s",
                "timeout": "2s",
                "threshold": 3,
                "on_failure": "restart",
                "readiness": True,
                "min_healthy_time": "10s",
                "start_period": "1m",
            },
            {
                "type": "tcp",
                "port": 5432,
                "interval": "1s",
                "timeout": "1s",
                "threshold": 1,
                "on_failure": "alert",
                "readiness": False,
                "min_healthy_time": None,
            },
        ]
        shown = row(
            stopped=True,
            auto_rollback=True,
            stop_signal="SIGINT",
            stop_grace_period="30s",
            health_checks=checks,
            config={"user": {"id": 1000, "group": 50, "privileged": True}},
            security={"hardened": True, "cap_add": ["KILL", "CHOWN"], "selinux": {"level": "s0"}},
            tmpfs=[{"destination": "/t", "size": "1Mi"}],
            ulimits={"core": 0, "nofile": {"soft": 1, "hard": 2}},
            shm_size="1Mi",
        )
        stub.on(f"GET /deployments/{ID}", Answer(200, shown))
        out = ring("deployment", "inspect", ID).out
        assert (
            "Stopped      : yes\nAuto rollback: yes\nUser         : 1000:50, privileged\n"
            "Stop signal  : SIGINT\nStop grace   : 30s\n"
        ) in out
        assert (
            "\nSETTINGS\n"
            "  security.hardened = true\n"
            "  security.cap_add = KILL, CHOWN\n"
            "  security.selinux.level = s0\n"
            "  tmpfs[0] = destination /t, size 1Mi\n"
            "  ulimits.core = 0\n"
            "  ulimits.nofile.soft = 1\n"
            "  ulimits.nofile.hard = 2\n"
            "  shm_size = 1Mi\n"
        ) in out
        assert (
            "\nHEALTH CHECKS\n"
            "  http http://localhost/up: every 5s, timeout 2s, 3 failures: restart, readiness, "
            "for 10s, start period 1m\n"
            "  tcp 5432: every 1s, timeout 1s, 1 failure: alert\n"
        ) in out

    def test_an_autoscaled_one_says_what_it_aims_at(self, ring: Ring, stub: Stub) -> None:
        policy = {"min": 1, "max": 9, "target_cpu": 50}
        shown = row(autoscale=policy, desired_replicas=5, instances=[])
        stub.on(f"GET /deployments/{ID}", Answer(200, shown))
        out = ring("deployment", "inspect", ID).out
        assert "Replicas     : 5 (declared 8, autoscale 1-9 targeting 50% CPU)\n" in out
        assert "INSTANCES" not in out
        assert "LABELS" not in out

    def test_json(self, ring: Ring, stub: Stub) -> None:
        stub.on(f"GET /deployments/{ID}", Answer(200, row()))
        assert json.loads(ring("deployment", "inspect", ID, "-o", "json").out) == row()

    def test_a_label_cannot_reach_the_terminal(self, ring: Ring, stub: Stub) -> None:
        shown = row(labels={"a": "x\x1b]0;owned\x07\ny"}, image="i\x1b[2J")
        stub.on(f"GET /deployments/{ID}", Answer(200, shown))
        out = ring("deployment", "inspect", ID).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "  a = x\\x1b]0;owned\\x07 y\n" in out

    @pytest.mark.parametrize(
        ("status", "code", "line"),
        [
            (404, 4, "error: deployment 'missing' not found"),
            (409, 5, "error: deployment 'missing' already exists or still has dependents"),
            (403, 2, "error: not authorized to act on deployment 'missing'"),
            (
                401,
                2,
                "error: not authorized to act on deployment 'missing'"
                " — run `ring login` or set RING_TOKEN",
            ),
            (500, 1, "error: deployment 'missing': request failed (500)"),
        ],
    )
    def test_refusals(self, ring: Ring, stub: Stub, status: int, code: int, line: str) -> None:
        stub.on("GET /deployments/missing", problem(status, "Not Found"))
        ended = ring("deployment", "inspect", "missing")
        assert (ended.code, ended.out, ended.err) == (code, "", line + "\n")


class TestDelete:
    def test_every_id_is_tried_and_the_first_failure_counts(self, ring: Ring, stub: Stub) -> None:
        stub.on("DELETE /deployments/good", Answer(204))
        stub.on("DELETE /deployments/refused", problem(403, "Forbidden"))
        ended = ring("deployment", "delete", "good", "missing", "refused", "good")
        assert ended.code == 4
        assert ended.out == "Deployment good deleted\n" * 2
        assert ended.err == (
            "error: deployment 'missing' not found\n"
            "error: not authorized to act on deployment 'refused'\n"
        )
        assert len(stub.requests) == 4

    def test_missing_names_no_status(self, ring: Ring, stub: Stub) -> None:
        ended = ring.process("deployment", "delete", "missing")
        assert (ended.code, ended.out) == (4, "")
        assert ended.err == "error: deployment 'missing' not found\n"
        assert stub.seen() == ["DELETE /deployments/missing"]

    def test_an_id_is_one_encoded_segment(self, ring: Ring, stub: Stub) -> None:
        stub.on("DELETE /deployments/wéb ?x", Answer(204))
        assert ring("deployment", "delete", "wéb ?x").code == 0
        assert stub.requests[0].target == "/deployments/w%C3%A9b%20%3Fx"

    def test_a_server_that_is_away_is_said_once(self, anyone: Ring) -> None:
        anyone.environ["RING_TOKEN"] = TOKEN
        anyone.config.write_text(
            '[contexts.d]\nhost = "127.0.0.1"\napi = { scheme = "http", port = 1 }\n'
        )
        ended = anyone("deployment", "delete", "x", "y")
        assert ended.code == 3
        assert len(ended.err.splitlines()) == 1


class TestReferences:
    def test_a_full_id_asks_nothing(self, ring: Ring, stub: Stub) -> None:
        stub.on(f"DELETE /deployments/{ID}", Answer(204))
        assert ring("deployment", "delete", ID).code == 0
        assert stub.seen() == [f"DELETE /deployments/{ID}"]

    def test_a_name_is_its_newest_live_row(self, ring: Ring, stub: Stub) -> None:
        rows = [
            row(id="old", created_at="2026-01-01T00:00:00.000000Z"),
            row(id="new", created_at="2026-03-01T00:00:00.000000Z"),
            row(id="gone", created_at="2026-04-01T00:00:00.000000Z", status="deleted"),
            row(id="else", created_at="2026-05-01T00:00:00.000000Z", name="other"),
        ]
        stub.on("GET /deployments", Answer(200, rows))
        stub.on("DELETE /deployments/new", Answer(204))
        assert ring("deployment", "delete", "shop/web").out == "Deployment new deleted\n"
        assert stub.requests[0].query == [("namespace", "shop"), ("name", "web")]

    @pytest.mark.parametrize("typed", ["shop/web", "0b1f"])
    def test_nothing_by_that_name(self, ring: Ring, stub: Stub, typed: str) -> None:
        stub.on("GET /deployments", Answer(200, [row(id="ffff", status="deleted")]))
        ended = ring("deployment", "inspect", typed)
        assert (ended.code, ended.err) == (4, f"error: deployment '{typed}' not found\n")

    def test_the_beginning_of_an_id(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, [row(), row(id="ffff")]))
        stub.on(f"GET /deployments/{ID}", Answer(200, row()))
        assert ring("deployment", "inspect", "0b1f6d3e-5").code == 0
        assert stub.requests[0].query == [("id", "0b1f6d3e-5")]

    def test_an_ambiguous_beginning_lists_the_candidates(self, ring: Ring, stub: Stub) -> None:
        stub.on("GET /deployments", Answer(200, [row(), row(id=OTHER, name="api")]))
        ended = ring("deployment", "delete", "0b1f")
        assert ended.code == 1
        assert ended.err == (
            "error: '0b1f' is the beginning of 2 deployment ids, give more of it:\n"
            f"  {ID} shop/web (running)\n"
            f"  {OTHER} shop/api (running)\n"
        )
        assert stub.seen() == ["GET /deployments"]

    def test_a_refused_look_up_is_about_what_was_typed(self, ring: Ring, stub: Stub) -> None:
        def refuse(_: Request) -> Answer:
            return problem(403, "Forbidden")

        stub.on("GET /deployments", refuse)
        ended = ring("deployment", "inspect", "shop/web")
        assert ended.err == "error: not authorized to act on deployment 'shop/web'\n"
        assert ended.code == 2
