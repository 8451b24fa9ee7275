"""What the server is told, by file and by environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ring.core.errors import HostError, UserError
from ring.settings import ServerSettings, load_server_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring.settings.server import RuntimeTable


CONTEXT = """
[contexts.default]
host = "10.9.0.14"
api.scheme = "http"
api.port = 4100
api.cors_origins = ["https://ops.example"]
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The config file of a directory that is not the working directory."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return tmp_path / "etc" / "config.toml"


@pytest.fixture
def load(file: Path) -> Callable[..., ServerSettings]:
    def loading(text: str = "", **environ: str) -> ServerSettings:
        file.write_text(text)
        return load_server_settings(None, None, {"RING_CONFIG_DIR": str(file.parent), **environ})

    return loading


def test_defaults(file: Path, load: Callable[..., ServerSettings]) -> None:
    settings = load("[server.runtime.docker]\nenabled = true\n")
    assert (settings.host, settings.port, settings.cors_origins) == ("127.0.0.1", 3030, ())
    assert settings.interval_s == 10
    assert settings.crash_loop_retry_s == 300.0
    assert settings.revision_history == 10
    assert settings.apply_timeout_s == 300.0
    assert settings.rollout_deadline_s == 600.0
    assert settings.database_path == file.parent / "ring.db"
    assert settings.make_database_dir
    assert settings.config_dir == file.parent
    assert settings.network.default_host_ip is None
    assert settings.admin_password is None
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert settings.warnings == ()
    docker = settings.runtimes["docker"]
    assert (docker.enabled, docker.optional) == (True, False)
    assert written(docker) == {}
    assert list(settings.runtimes) == [
        "docker",
        "podman",
        "containerd",
        "cloud-hypervisor",
        "firecracker",
    ]
    assert [name for name, table in settings.runtimes.items() if table.enabled] == ["docker"]


def test_the_context_is_where_it_binds(load: Callable[..., ServerSettings]) -> None:
    settings = load(CONTEXT)
    assert (settings.host, settings.port) == ("10.9.0.14", 4100)
    assert settings.cors_origins == ("https://ops.example",)


def test_unless_the_server_says_otherwise(load: Callable[..., ServerSettings]) -> None:
    settings = load(CONTEXT + '[server.api]\nhost = "0.0.0.0"\nport = 80\ncors_origins = ["*"]\n')
    assert (settings.host, settings.port) == ("0.0.0.0", 80)  # noqa: S104 - only read
    assert settings.cors_origins == ("*",)


def test_an_origin_that_is_no_header_value_is_skipped(
    load: Callable[..., ServerSettings],
) -> None:
    settings = load('[server.api]\ncors_origins = ["https://a", "b\\nc", "é", ""]\n')
    assert settings.cors_origins == ("https://a",)
    assert len(settings.warnings) == 3


@pytest.mark.parametrize(
    ("text", "environ", "kept", "warnings"),
    [
        ("revision_history = 1", {}, 1, 0),
        ("revision_history = 100", {}, 100, 0),
        ("revision_history = 3", {"RING_REVISION_HISTORY": "7"}, 7, 0),
        ("revision_history = 3", {"RING_REVISION_HISTORY": ""}, 3, 0),
        ("", {"RING_REVISION_HISTORY": "0"}, 10, 1),
        ("revision_history = 3", {"RING_REVISION_HISTORY": "101"}, 3, 1),
        ("revision_history = 3", {"RING_REVISION_HISTORY": "many"}, 3, 1),
    ],
)
def test_revision_history(
    load: Callable[..., ServerSettings],
    text: str,
    environ: dict[str, str],
    kept: int,
    warnings: int,
) -> None:
    settings = load(f"[server.scheduler]\n{text}\n", **environ)
    assert settings.revision_history == kept
    assert len(settings.warnings) == warnings


@pytest.mark.parametrize("written", ["0", "101", "-1", "'3'", "true"])
def test_a_revision_history_out_of_range_stops_the_start(
    load: Callable[..., ServerSettings], written: str
) -> None:
    with pytest.raises(UserError, match="revision_history must be a number from 1 to 100"):
        load(f"[server.scheduler]\nrevision_history = {written}\n")


@pytest.mark.parametrize(
    ("text", "environ", "seconds", "warned"),
    [
        ("[server.scheduler]\ninterval = 4\n", {}, 4, 0),
        ("[server.scheduler]\ninterval = 0\n", {}, 1, 0),
        ("[server.scheduler]\ninterval = 4\n", {"RING_SCHEDULER_INTERVAL": "7"}, 7, 0),
        ("[server.scheduler]\ninterval = 4\n", {"RING_SCHEDULER_INTERVAL": "-7"}, 1, 0),
        ("[server.scheduler]\ninterval = 4\n", {"RING_SCHEDULER_INTERVAL": "soon"}, 4, 1),
        ("[scheduler]\ninterval = 5\n", {}, 5, 1),
        ("[scheduler]\ninterval = 5\n[server.scheduler]\ninterval = 4\n", {}, 4, 0),
        (CONTEXT + "scheduler.interval = 6\nuser.salt = 'x'\n", {}, 6, 1),
    ],
)
def test_interval(
    load: Callable[..., ServerSettings],
    text: str,
    environ: dict[str, str],
    seconds: int,
    warned: int,
) -> None:
    settings = load(text, **environ)
    assert settings.interval_s == seconds
    assert len(settings.warnings) == warned


@pytest.mark.parametrize(
    ("text", "environ", "seconds", "warned"),
    [
        ('crash_loop_retry = "90s"', {}, 90.0, 0),
        ('crash_loop_retry = "never"', {}, None, 0),
        ('crash_loop_retry = "90s"', {"RING_CRASH_LOOP_RETRY": "never"}, None, 0),
        ('crash_loop_retry = "never"', {"RING_CRASH_LOOP_RETRY": "500ms"}, 0.5, 0),
        ('crash_loop_retry = "90s"', {"RING_CRASH_LOOP_RETRY": "often"}, 90.0, 1),
    ],
)
def test_crash_loop_retry(
    load: Callable[..., ServerSettings],
    text: str,
    environ: dict[str, str],
    seconds: float | None,
    warned: int,
) -> None:
    settings = load(f"[server.scheduler]\n{text}\n", **environ)
    assert settings.crash_loop_retry_s == seconds
    assert len(settings.warnings) == warned


def test_a_variable_that_means_nothing_is_told_with_what_counts_in_its_place(
    load: Callable[..., ServerSettings],
) -> None:
    settings = load(
        '[server.scheduler]\ncrash_loop_retry = "90s"\n',
        RING_CRASH_LOOP_RETRY="often",
        RING_REVISION_HISTORY="0",
    )
    assert settings.warnings == (
        "RING_CRASH_LOOP_RETRY 'often' is not a duration such as '5m', or 'never', using 90s",
        "RING_REVISION_HISTORY '0' is not a number from 1 to 100, using 10",
    )


@pytest.mark.parametrize(
    ("raw", "seconds", "warned"),
    [
        ("60", 60.0, 0),
        ("0.5", 0.5, 0),
        ("", 300.0, 0),
        *((x, 300.0, 1) for x in ("0", "-1", "x", "nan", "inf")),
    ],
)
def test_apply_timeout(
    load: Callable[..., ServerSettings], raw: str, seconds: float, warned: int
) -> None:
    settings = load(RING_APPLY_TIMEOUT=raw)
    assert settings.apply_timeout_s == seconds
    assert len(settings.warnings) == warned


@pytest.mark.parametrize(("raw", "seconds", "warned"), [("45", 45.0, 0), ("0", 600.0, 1)])
def test_rollout_deadline(
    load: Callable[..., ServerSettings], raw: str, seconds: float, warned: int
) -> None:
    settings = load(RING_ROLLOUT_DEADLINE=raw)
    assert settings.rollout_deadline_s == seconds
    assert len(settings.warnings) == warned


def test_a_named_database(load: Callable[..., ServerSettings]) -> None:
    settings = load(RING_DATABASE_PATH="/srv/ring.db")
    assert settings.database_path == Path("/srv/ring.db")
    assert not settings.make_database_dir


def test_a_database_left_in_the_working_directory(
    file: Path, load: Callable[..., ServerSettings]
) -> None:
    stray = Path.cwd() / "ring.db"
    stray.touch(mode=0o600)
    settings = load()
    assert settings.database_path == stray
    (warning,) = settings.warnings
    assert str(stray) in warning
    (file.parent / "ring.db").touch(mode=0o600)
    assert load().database_path == file.parent / "ring.db"
    assert load().warnings == ()


@pytest.mark.parametrize(
    ("file_mode", "directory_mode"), [(0o602, 0o700), (0o660, 0o700), (0o600, 0o1777)]
)
def test_a_database_that_others_could_have_planted(
    load: Callable[..., ServerSettings], file_mode: int, directory_mode: int
) -> None:
    stray = Path.cwd() / "ring.db"
    stray.touch()
    stray.chmod(file_mode)
    stray.parent.chmod(directory_mode)
    place = stray if directory_mode == 0o700 else stray.parent
    with pytest.raises(HostError) as refused:
        load()
    assert refused.value.message.startswith(
        f"refusing to use {place}: other users can write to it; "
        "name the database in RING_DATABASE_PATH"
    )
    assert load(RING_DATABASE_PATH=str(stray)).database_path == stray


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_a_database_that_others_can_open(
    file: Path, load: Callable[..., ServerSettings], mode: int, warned: int
) -> None:
    database = file.parent / "my ring.db"
    database.touch()
    database.chmod(mode)
    warnings = load(RING_DATABASE_PATH=str(database)).warnings
    assert len(warnings) == warned
    assert all(warning.endswith(f"run `chmod go= '{database}'*`") for warning in warnings)


@pytest.mark.parametrize(
    ("user", "path"), [(0, "/var/lib/ring/ring.db"), (1000, "{home}/.config/ring/ring.db")]
)
def test_the_database_of_a_user(
    file: Path, monkeypatch: pytest.MonkeyPatch, user: int, path: str
) -> None:
    home = file.parent
    monkeypatch.setattr(os, "geteuid", lambda: user)
    settings = load_server_settings(None, None, {"HOME": str(home)})
    assert settings.database_path == Path(path.format(home=home))
    assert settings.make_database_dir


def test_runtime_tables(load: Callable[..., ServerSettings]) -> None:
    runtimes = load(
        '[server.runtime.docker]\nenabled = true\noptional = true\nhost = "tcp://h:1"\n'
        '[server.runtime.cloud_hypervisor]\nenabled = true\nbinary_path = "ch"\n'
    ).runtimes
    assert runtimes["docker"].optional
    assert written(runtimes["docker"]) == {"host": "tcp://h:1"}
    assert runtimes["cloud-hypervisor"].enabled
    assert runtimes["cloud-hypervisor"].options == {"binary_path": "ch"}


def test_every_runtime_is_told_the_host_of_the_environment(
    load: Callable[..., ServerSettings],
) -> None:
    text = "[server.runtime.podman]\nhost = 1\nenvironment_host = 'unix:///mine'\n"
    runtimes = load(text, DOCKER_HOST=" tcp://h:1 ").runtimes
    assert written(runtimes["docker"]) == {"environment_host": "tcp://h:1"}
    assert written(runtimes["podman"]) == {"host": 1, "environment_host": "tcp://h:1"}
    assert written(load(text, DOCKER_HOST=" ").runtimes["docker"]) == {}


def written(table: RuntimeTable) -> dict[str, object]:
    """Its options but for where registry logins are."""
    return {key: value for key, value in table.options.items() if not key.startswith("login_")}


def test_what_pulls_is_told_where_registry_logins_are(
    load: Callable[..., ServerSettings],
) -> None:
    text = "[server.runtime.docker]\nlogin_files = ['/mine']\nhost_registry_config = '/r.json'\n"
    around = {"DOCKER_CONFIG": "/d", "REGISTRY_AUTH_FILE": "/a", "RING_ADMIN_PASSWORD": "canary"}
    settings = load(text, **around)
    docker, podman = settings.runtimes["docker"].options, settings.runtimes["podman"].options
    assert docker["login_files"] == ("/d/config.json",)
    assert docker["host_registry_config"] == "/r.json"
    files = podman["login_files"]
    assert isinstance(files, tuple)
    assert (files[0], files[-1]) == ("/a", "/d/config.json")
    environment = docker["login_environment"]
    assert isinstance(environment, dict)
    assert environment["DOCKER_CONFIG"] == "/d"
    assert "canary" not in str(environment)
    assert "login_files" not in settings.runtimes["firecracker"].options
    assert "REGISTRY_AUTH_FILE" not in repr(settings)


def test_every_runtime_is_told_where_the_environment_has_its_certificates(
    load: Callable[..., ServerSettings],
) -> None:
    text = "[server.runtime.docker]\nenvironment_certs = '/mine'\n"
    assert "environment_certs" not in load(text).runtimes["docker"].options
    for table in load(text, DOCKER_CERT_PATH=" /certs ").runtimes.values():
        assert table.options["environment_certs"] == "/certs"


def test_podman_has_places_of_its_own(load: Callable[..., ServerSettings]) -> None:
    """Which they are is `places.podman_host`'s."""
    runtimes = load("", RING_PODMAN_HOST="tcp://p:1", DOCKER_HOST="tcp://h:1").runtimes
    assert written(runtimes["podman"]) == {"environment_host": "tcp://p:1"}
    assert written(runtimes["docker"]) == {"environment_host": "tcp://h:1"}


def test_unknown_keys_are_named_once_each(load: Callable[..., ServerSettings]) -> None:
    warnings = load(
        "other = 1\n[tool.x]\ny = 1\n"
        "[server]\ncolour = 1\n[server.scheduler]\nintervall = 4\n"
        "[server.runtime.dokcer]\nenabled = true\n[server.runtime.docker]\nhots = 'x'\n"
        "[server.runtime.firecracker]\nanything = 1\n[server.telemetry.traces]\nsampling = 1\n"
        "[server.network]\npool = '10.46.0.0/16'\n[server.dashboard]\nenabled = false\n"
    ).warnings
    assert [warning.split("'")[1] for warning in warnings] == [
        "server.colour",
        "server.scheduler.intervall",
        "server.runtime.dokcer",
        "server.runtime.docker.hots",
        "server.runtime.firecracker.anything",
        "server.telemetry.traces.sampling",
    ]


@pytest.mark.parametrize(
    ("raw", "level", "warned"),
    [("debug", "debug", 0), ("WARN", "warning", 0), ("", "info", 0), ("loud", "info", 1)],
)
def test_log_level(load: Callable[..., ServerSettings], raw: str, level: str, warned: int) -> None:
    settings = load(RING_LOG=raw)
    assert settings.log_level == level
    assert len(settings.warnings) == warned


def test_log_format_and_admin_password(load: Callable[..., ServerSettings]) -> None:
    settings = load(RING_LOG_FORMAT="json", RING_ADMIN_PASSWORD="s3cret-pass")
    assert settings.log_format == "json"
    assert settings.admin_password == "s3cret-pass"
    assert "s3cret-pass" not in repr(settings)
    assert load(RING_LOG_FORMAT="pretty").log_format == "text"


def test_two_current_contexts_warn(load: Callable[..., ServerSettings]) -> None:
    twice = CONTEXT + "current = true\n"
    settings = load(twice + twice.replace("default", "other"))
    assert len(settings.warnings) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("server = 1", "server must be a table"),
        ("[server.api]\nport = 0", "server.api.port must be an integer from 1 to 65535, got 0"),
        ("[server.api]\nhost = ''", "server.api.host must be a non-empty string"),
        ("[server.scheduler]\ninterval = '4'", "server.scheduler.interval must be an integer"),
        (
            "[server.scheduler]\ncrash_loop_retry = 'often'",
            "server.scheduler.crash_loop_retry must be a duration such as '5m', or 'never'",
        ),
        (
            "[server.scheduler]\ncrash_loop_retry = 5",
            "server.scheduler.crash_loop_retry must be a duration such as '5m', or 'never', got 5",
        ),
        ("[server.runtime.docker]\nenabled = 1", "server.runtime.docker.enabled must be true or"),
        ("[server.runtime.docker]\noptional = 1", "server.runtime.docker.optional must be true"),
        ("[server.runtime]\ndocker = 1", "server.runtime.docker must be a table"),
    ],
)
def test_wrong_values_name_file_and_key(
    file: Path, load: Callable[..., ServerSettings], text: str, says: str
) -> None:
    with pytest.raises(UserError) as caught:
        load(text)
    assert caught.value.message.startswith(f"cannot parse {file}: ")
    assert says in caught.value.message
