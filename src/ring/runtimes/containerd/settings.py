"""The `[server.runtime.containerd]` table, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from ring.core.errors import HostError
from ring.core.model.quantities import QuantityError, parse_memory
from ring.network import taken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")
CgroupDriver = Literal["cgroupfs", "systemd"]

TABLE: Final = "server.runtime.containerd"
STATE_DIR: Final = "state_dir"
RUN_DIR: Final = "run_dir"
"""The options that hold where the server keeps what outlives the machine's next start, and what
does not."""
DEFAULT_SOCKET: Final = "/run/containerd/containerd.sock"
_DRIVERS: Final = ("auto", "cgroupfs", "systemd")
_SYSTEMD: Final = Path("/run/systemd/system")
"""There while systemd is the init: sd_booted(3)."""
_MOST_LOG_FILES: Final = 1000
_LEAST_LOG_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Settings:
    """Every key of the table, with its default."""

    socket: Path = Path(DEFAULT_SOCKET)
    namespace: str = "ring"
    """containerd's own partition; none of Ring's namespaces."""
    snapshotter: str = "overlayfs"
    shim: str = "io.containerd.runc.v2"
    cgroup_driver: CgroupDriver = "cgroupfs"
    cni_bin_dirs: tuple[str, ...] = ()
    """Empty: the usual places."""
    cni_conf_dir: Path = Path(taken.CNI_CONF_DIR)
    former_conf_dirs: tuple[Path, ...] = ()
    """No key: where networks may still be configured that are older than a Kubernetes that came, or
    than the end of one that was there."""
    dns: bool = True
    """Instances find each other by name."""
    registry_hosts_dir: Path = Path("/etc/containerd/certs.d")
    insecure_registries: tuple[str, ...] = ()
    log_max_bytes: int = 10 * 1024 * 1024
    log_max_files: int = 5
    state_dir: Path = Path("/var/lib/ring")
    run_dir: Path = Path("/run/ring")


def from_options(options: Mapping[str, object]) -> Settings:
    """Raises HostError, which names every key that cannot be."""
    table = _Table(options)
    usual = Settings()
    state_dir = table.path(STATE_DIR, usual.state_dir)
    usual_conf_dir, former_conf_dir = usual_conf_dirs(state_dir)
    settings = Settings(
        socket=table.path("socket", usual.socket),
        namespace=table.text("namespace", usual.namespace),
        snapshotter=table.text("snapshotter", usual.snapshotter),
        shim=table.text("shim", usual.shim),
        cgroup_driver=table.driver("cgroup_driver"),
        cni_bin_dirs=table.texts("cni_bin_dirs"),
        cni_conf_dir=table.path("cni_conf_dir", usual_conf_dir),
        # Who says where they are takes care of what is elsewhere.
        former_conf_dirs=() if "cni_conf_dir" in options else (former_conf_dir,),
        dns=table.flag("dns", usual.dns),
        registry_hosts_dir=table.path("registry_hosts_dir", usual.registry_hosts_dir),
        insecure_registries=table.texts("insecure_registries"),
        log_max_bytes=table.size("log_max_size", usual.log_max_bytes),
        log_max_files=table.count("log_max_files", usual.log_max_files),
        state_dir=state_dir,
        run_dir=table.path(RUN_DIR, usual.run_dir),
    )
    if table.wrong:
        raise HostError("; ".join(table.wrong))
    return settings


def usual_conf_dirs(state_dir: Path, at: Callable[[str], Path] = Path) -> tuple[Path, Path]:
    """Where networks are configured when nobody says: where all of CNI's are, unless a Kubernetes
    or another of its users is on this machine. Nothing is written into theirs without being asked.

    The other of the two is where they were before somebody came or went.
    """
    shared, own = Path(taken.CNI_CONF_DIR), state_dir / "cni" / "net.d"
    return (shared, own) if taken.kubernetes_sign(at) is None else (own, shared)


class _Table:
    """What is written, and what of it is wrong."""

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options
        self.wrong: list[str] = []

    def text(self, key: str, usual: str) -> str:
        written = self._options.get(key, usual)
        if isinstance(written, str) and written.strip():
            return written.strip()
        return self._refuse(key, "text that is not empty", usual)

    def path(self, key: str, usual: Path) -> Path:
        written = self._options.get(key, usual)
        text = str(written).strip() if isinstance(written, str | Path) else ""
        if text.startswith("/"):
            return Path(text)
        return self._refuse(key, "an absolute path", usual)

    def texts(self, key: str) -> tuple[str, ...]:
        written = self._options.get(key, [])
        if isinstance(written, list) and all(isinstance(item, str) for item in written):
            return tuple(item.strip() for item in written if item.strip())
        return self._refuse(key, "a list of texts", ())

    def flag(self, key: str, usual: bool) -> bool:
        written = self._options.get(key, usual)
        return written if isinstance(written, bool) else self._refuse(key, "true or false", usual)

    def size(self, key: str, usual: int) -> int:
        """Bytes, or a quantity of memory."""
        written = self._options.get(key, usual)
        try:
            size = written if isinstance(written, int) else parse_memory(str(written))
        except QuantityError:
            size = 0
        if isinstance(written, bool) or size < _LEAST_LOG_BYTES:
            return self._refuse(
                key, f"a size such as '10Mi', of at least {_LEAST_LOG_BYTES}", usual
            )
        return size

    def count(self, key: str, usual: int) -> int:
        written = self._options.get(key, usual)
        if type(written) is int and 1 <= written <= _MOST_LOG_FILES:  # a flag is an int, too
            return written
        return self._refuse(key, f"a whole number from 1 to {_MOST_LOG_FILES}", usual)

    def driver(self, key: str) -> CgroupDriver:
        match self._options.get(key, "auto"):
            case "auto":
                return "systemd" if _SYSTEMD.is_dir() else "cgroupfs"
            case "systemd":
                return "systemd"
            case "cgroupfs":
                return "cgroupfs"
        return self._refuse(key, f"one of {', '.join(_DRIVERS)}", "cgroupfs")

    def _refuse(self, key: str, wanted: str, usual: _T) -> _T:
        self.wrong.append(f"{key} in [{TABLE}] must be {wanted}")
        return usual
