"""The one description of a deployment: validation, API schema and docs come from these models.

Strict, immutable, unknown members ignored (core.checking names them). Parsed from JSON text only:
strict mode takes a list for a tuple there. Rules that are more than a type are in core.rules; a
body becomes a spec through core.checking.check, which also takes an explicit null as absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, JsonValue
from pydantic.json_schema import JsonSchemaValue  # noqa: TC002 - the same
from pydantic_core import CoreSchema  # noqa: TC002 - the same

U32 = Annotated[int, Field(ge=0, le=4294967295)]
Count = Annotated[int, Field(ge=-2147483648, le=4294967295)]
"""A number whose lower bound is a rule of its own."""
PortNumber = Annotated[int, Field(ge=1, le=65535)]
Duration = Annotated[str, Field(examples=["15s"])]
RuntimeName = Literal["docker", "podman", "containerd", "cloud-hypervisor", "firecracker"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]


MASK = "***"
"""Stands for a password that is set, wherever the password itself must not be."""


RANGE = r"^[0-9]+-[0-9]+$"
"""Of a range as JSON Schema knows it; core.port_ranges knows more."""


class RangeText:
    """Marks an integer for which a body may also give a range `A-B` (core.port_ranges)."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [handler(core_schema), {"type": "string", "pattern": RANGE}]}


class Model(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", hide_input_in_errors=True)


class SecretRef(Model):
    """A value kept as a secret of the deployment's namespace."""

    secretRef: str = Field(description="Name of the secret whose value is used.")


EnvValue = str | SecretRef


class Volume(Model):
    """Something mounted into the instance."""

    type: Literal["bind", "volume", "config", "secret"] = Field(
        description="What is mounted: a host path, a named volume, a config entry or a secret."
    )
    source: str | None = Field(
        None, description="Absolute host path, volume name, config name or secret name."
    )
    key: str | None = Field(None, description="Entry of the config; required for `config` only.")
    destination: str = Field(description="Absolute path in the instance; unique per deployment.")
    driver: Literal["local", "nfs"] = Field("local", description="Only meaningful for `volume`.")
    permission: Literal["ro", "rw"] | None = Field(
        None, description="Default `rw`; `config` and `secret` are always `ro`."
    )
    relabel: Literal["shared", "private"] | None = Field(
        None, description="SELinux relabelling of a `bind` source."
    )

    @property
    def is_named(self) -> bool:
        """The engine's, by its name: so is a bind without a path, see `is_misnamed_bind`."""
        return self.type == "volume" or self.is_misnamed_bind

    @property
    def is_misnamed_bind(self) -> bool:
        """A bind whose source is no path, in a row that is older than the rule against it."""
        return self.type == "bind" and not (self.source or "").startswith("/")


class Port(Model):
    """A port of the instance published on the host."""

    published: Annotated[PortNumber, RangeText] = Field(description="Host port, 1 to 65535.")
    target: Annotated[PortNumber, RangeText] = Field(description="Instance port, 1 to 65535.")
    protocol: Literal["tcp", "udp"] = Field("tcp", description="Transport protocol.")
    host_ip: str | None = Field(
        None,
        description="Host address to bind, an IPv4 or IPv6 literal; absent: the namespace's, else "
        "the server's, else all addresses.",
    )


class Network(Model):
    """How the instance is attached to networks."""

    mode: Literal["bridge", "host", "none", "shared"] = Field(
        "bridge", description="`bridge`: the namespace's network; `host`: the host's own."
    )
    share: JsonValue = Field(None, description="Deployment whose network `shared` joins.")
    aliases: JsonValue = Field(None, description="Extra names on the namespace's network.")
    ipv4: JsonValue = Field(None, description="Fixed IPv4 address.")
    ipv6: JsonValue = Field(None, description="Fixed IPv6 address.")
    mac: JsonValue = Field(None, description="Fixed MAC address.")
    dns: JsonValue = Field(None, description="Upstream resolvers, search domains and options.")
    attach: JsonValue = Field(None, description="Further namespaces whose network is joined.")
    policy: JsonValue = Field(None, description="Allowed ingress and egress.")


class Quantities(Model):
    cpu: str | None = Field(None, description="Cores (`0.5`) or millicores (`500m`).")
    memory: str | None = Field(
        None, description="Bytes, or a number with a suffix Ki Mi Gi Ti K M G T (`64Mi`)."
    )


class Resources(Model):
    """What the instance may use and what is set aside for it."""

    limits: Quantities | None = Field(None, description="Hard caps.")
    requests: Quantities | None = Field(None, description="CPU weight and memory reservation.")


class HealthCheckBase(Model):
    interval: Duration = Field(description="Time between probes, greater than zero.")
    timeout: Duration = Field(description="Time one probe may take, greater than zero.")
    threshold: Annotated[int, Field(ge=1, le=4294967295)] = Field(
        3, description="Consecutive failures before `on_failure`."
    )
    on_failure: Literal["restart", "stop", "alert"] = Field(
        description="What is done when the threshold is reached."
    )
    readiness: bool = Field(False, description="Gates `running` and rolling updates.")
    min_healthy_time: Duration | None = Field(
        None, description="With `readiness`: how long probes must pass; 10s when absent."
    )
    start_period: Duration | None = Field(
        None, description="With `readiness`: grace before the rollout deadline."
    )


class TcpCheck(HealthCheckBase):
    """Passes when a TCP connection is accepted."""

    type: Literal["tcp"] = Field(description="Kind of probe.")
    port: PortNumber = Field(description="Instance port to connect to.")


class HttpCheck(HealthCheckBase):
    """Passes when a GET is answered with success."""

    type: Literal["http"] = Field(description="Kind of probe.")
    url: str = Field(
        description="Full http or https URL; `localhost` means the instance. Certificates are "
        "not verified."
    )


class CommandCheck(HealthCheckBase):
    """Passes when a command in the instance ends with 0."""

    type: Literal["command"] = Field(description="Kind of probe.")
    command: str = Field(description="One shell string, run inside the instance.")


HealthCheck = Annotated[TcpCheck | HttpCheck | CommandCheck, Field(discriminator="type")]


class Autoscale(Model):
    """Bounds and goal of automatic scaling by CPU use."""

    min: Count = Field(description="Fewest instances, at least 1.")
    max: Count = Field(description="Most instances, at least `min`.")
    target_cpu: float = Field(description="Percent of CPU aimed at, between 0 and 100.")


class User(Model):
    """Who the process runs as."""

    id: U32 | None = Field(None, description="Numeric user id; absent: the image's user.")
    group: U32 | None = Field(None, description="Numeric group id; needs `id`.")
    privileged: bool | None = Field(
        None, description="All capabilities and devices, no seccomp: as good as root on the host."
    )
    userns: Literal["keep-id"] | None = Field(
        None, description="User namespace mapping; Podman only."
    )


class Config(Model):
    """How the image is fetched and the process is run."""

    image_pull_policy: PullPolicy = Field("Always", description="When the image is pulled.")
    server: str | None = Field(None, description="Registry of the inline login.")
    username: str | None = Field(None, description="User of the inline login.")
    password: str | None = Field(
        None, description="Password of the inline login; never echoed.", repr=False
    )
    use_host_auth: bool = Field(False, description="Use the server host's registry login.")
    image_pull_secret: str | None = Field(
        None, description="Secret that holds a registry `config.json`."
    )
    user: User | None = Field(None, description="Who the process runs as.")


class Security(Model):
    """What the instance may do on the shared kernel. Absent is not the same as false."""

    hardened: bool | None = Field(
        None,
        description="Preset: no new privileges, no capabilities but those of `cap_add`, a "
        "read-only root; needs a `config.user.id` other than 0.",
    )
    cap_add: tuple[str, ...] = Field(
        (), description="Capabilities added (`NET_ADMIN`, `ALL`); wins over `cap_drop`."
    )
    cap_drop: tuple[str, ...] = Field((), description="Capabilities dropped.")
    read_only: bool | None = Field(
        None, description="Read-only root file system; volumes and `tmpfs` stay writable."
    )
    no_new_privileges: bool | None = Field(None, description="No privileges gained by exec.")
    seccomp: str | None = Field(
        None,
        description="`default`, `unconfined`, or the absolute path of a profile on the server's "
        "host.",
    )
    apparmor: str | None = Field(
        None, description="Profile name, or `unconfined`; where the engine has AppArmor."
    )
    selinux: Mapping[str, JsonValue] = Field(
        default_factory=dict,
        description="`user`, `role`, `type`, `level`; or `disable: true` alone; where the engine "
        "has SELinux on.",
    )


class Tmpfs(Model):
    """A file system in memory."""

    destination: str = Field(description="Absolute path in the instance.")
    size: str | None = Field(None, description="Upper bound, a memory quantity.")
    mode: str | None = Field(None, description="Octal permissions (`1777`).")


class Ulimit(Model):
    """A resource limit with two values; -1 is unlimited."""

    soft: int = Field(description="Limit in force; at most `hard`.")
    hard: int = Field(description="Ceiling of the soft limit.")


class Device(Model):
    """A device of the host."""

    source: str = Field(description="Absolute device path on the host.")
    destination: str | None = Field(None, description="Path in the instance; default: `source`.")
    permissions: str = Field("rwm", description="Letters out of `rwm`.")


class DeploymentSpec(Model):
    """What is to run, and how many of it."""

    manifest: str | None = Field(None, description="Name of the manifest it was applied from.")
    name: str = Field(description="Name of the deployment; with `namespace` its identity.")
    namespace: str = Field(description="Namespace it lives in.")
    runtime: RuntimeName = Field(description="Runtime that runs it.")
    image: str = Field(
        description="Image reference; on the microVM runtimes the absolute path of a disk image."
    )
    kind: Literal["worker", "job"] = Field(
        "worker", description="`worker` is kept running, `job` runs once."
    )
    replicas: U32 = Field(1, description="How many instances; 0 means none.")
    command: tuple[str, ...] = Field(
        (), description="Argument vector in place of the image's; its entrypoint is kept."
    )
    environment: Mapping[str, EnvValue] = Field(
        default_factory=dict,
        description="Environment variables: a string, or `{secretRef: <secret name>}`.",
    )
    volumes: tuple[Volume, ...] = Field((), description="What is mounted.")
    ports: tuple[Port, ...] = Field((), description="Ports published on the host.")
    network: Network | None = Field(None, description="Network attachment; absent: bridge.")
    labels: Mapping[str, str] = Field(
        default_factory=dict, description="Labels of the deployment and its instances."
    )
    resources: Resources | None = Field(None, description="CPU and memory.")
    health_checks: tuple[HealthCheck, ...] = Field((), description="Probes of the instances.")
    autoscale: Autoscale | None = Field(None, description="Automatic scaling; absent: none.")
    auto_rollback: bool | None = Field(
        None,
        description="When a new one fails: back to the last revision that was ready.",
    )
    config: Config | None = Field(None, description="Image and process settings.")
    security: Security | None = Field(None, description="Restrictions and extra rights.")
    tmpfs: tuple[Tmpfs, ...] = Field((), description="File systems in memory.")
    ulimits: Mapping[str, int | Ulimit] = Field(
        default_factory=dict,
        description="Resource limits by setrlimit name (`nofile`): a number, or `{soft, hard}`; "
        "-1 is unlimited.",
    )
    sysctls: Mapping[str, str] = Field(
        default_factory=dict, description="Namespaced kernel parameters."
    )
    devices: tuple[Device, ...] = Field((), description="Host devices given to the instance.")
    shm_size: str | None = Field(
        None, description="Size of /dev/shm, a memory quantity; 64Mi when absent."
    )
    init: bool | None = Field(None, description="Run a small init that reaps and forwards.")
    hostname: str | None = Field(None, description="Host name of the instance, a DNS label.")
    extra_hosts: Mapping[str, str] = Field(
        default_factory=dict,
        description="Extra host names: an address, or `host-gateway`, the gateway of the "
        "namespace's network.",
    )
    stop_grace_period: Duration | None = Field(
        None, description="Time to end by itself before it is killed; at most 10m."
    )
    stop_signal: str | None = Field(None, description="Signal that asks it to end.")

    @property
    def pull_policy(self) -> PullPolicy:
        return self.config.image_pull_policy if self.config else "Always"

    @property
    def network_mode(self) -> str:
        return self.network.mode if self.network else "bridge"


def normalised(spec: DeploymentSpec) -> DeploymentSpec:
    """The spec with every default written out that depends on other fields. Idempotent."""
    return spec.model_copy(
        update={"volumes": tuple(_with_permission(volume) for volume in spec.volumes)}
    )


def _with_permission(volume: Volume) -> Volume:
    if volume.permission is not None:
        return volume
    permission = "ro" if volume.type in {"config", "secret"} else "rw"
    return volume.model_copy(update={"permission": permission})


def masked(spec: DeploymentSpec) -> DeploymentSpec:
    """The spec with a mark in place of the registry password. Idempotent."""
    config = spec.config
    if config is None or config.password in {None, MASK}:
        return spec
    return spec.model_copy(update={"config": config.model_copy(update={"password": MASK})})


def canonical(spec: DeploymentSpec) -> str:
    """Canonical JSON: sorted keys, no spaces. What is stored, and read by model_validate_json."""
    return _compact(spec.model_dump(mode="json", exclude_none=True))


def meaning(spec: DeploymentSpec) -> dict[str, JsonValue]:
    """What the spec means, as JSON without `manifest` and `replicas`.

    A block left out and one that only says the defaults are the same; so is a field that a later
    version adds, as long as nobody sets it. Of a password it tells only that there is one: a hash
    of a short secret could be guessed.
    """
    meant = masked(spec).model_copy(
        update={
            "manifest": None,
            "replicas": 0,
            "network": spec.network or Network(),
            "config": masked(spec).config or Config(),
        }
    )
    data = meant.model_dump(mode="json", exclude_none=True)
    for path, default in _DEFAULTS:
        _leave_out(data, path, default)
    cleaned = ((key, _without_empty(value)) for key, value in data.items())
    return {key: value for key, value in cleaned if value not in ({}, [])}


def fingerprint(spec: DeploymentSpec) -> str:
    """SHA-256 hex of what the spec means."""
    return hashlib.sha256(_compact(meaning(spec)).encode()).hexdigest()


_DEFAULTS: tuple[tuple[tuple[str, ...], JsonValue], ...] = (
    (("config", "user", "privileged"), False),
    (("security", "hardened"), False),
    (("security", "read_only"), False),
    (("security", "no_new_privileges"), False),
    (("security", "seccomp"), "default"),
    (("init",), False),
)
"""What the model leaves open because some rule asks whether it was said."""


def _leave_out(data: dict[str, JsonValue], path: tuple[str, ...], default: JsonValue) -> None:
    holder: JsonValue = data
    for name in path[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(holder, dict) and holder.get(path[-1]) == default:
        del holder[path[-1]]


def _compact(data: JsonValue) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _without_empty(data: JsonValue) -> JsonValue:
    if isinstance(data, dict):
        kept = {key: _without_empty(value) for key, value in data.items()}
        return {key: value for key, value in kept.items() if value not in ({}, [])}
    if isinstance(data, list):
        return [_without_empty(item) for item in data]
    return data
