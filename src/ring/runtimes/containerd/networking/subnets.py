"""Which subnet a network has: chosen once among those that nothing on this machine uses, and kept.

What is chosen stands in the network's CNI configuration, and beside Ring's own state for the day
when somebody deletes that.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from ring.core.model.failures import FailureClass
from ring.network import links, locks, taken, way_out
from ring.runtimes.base import RuntimeFailure
from ring.runtimes.containerd.networking import conflists

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ring.network.pools import Pools
    from ring.runtimes.containerd.networking.conflists import Network


@dataclass(frozen=True, slots=True)
class Choice:
    subnet: IPv4Network
    server_id: str
    """Of whoever made the network; empty: nobody knows."""


class Subnets:
    """Blocks, for small files."""

    def __init__(
        self,
        pools: Pools,
        cni_conf_dir: Path,
        directory: Path,
        server_id: str,
        *,
        former_conf_dirs: Sequence[Path] = (),
    ) -> None:
        """directory: where the choices are kept. former_conf_dirs: a network that is configured in
        one stays there for as long as it exists; new ones are in cni_conf_dir."""
        self._pools = pools
        self._cni_conf_dir = cni_conf_dir
        self._conf_dirs = (cni_conf_dir, *former_conf_dirs)
        self._directory = directory
        self._server_id = server_id

    def settle(self, network: str) -> Network:
        """The network's configuration, which is there afterwards.

        Raises RuntimeFailure(NETWORK_FAILED).
        """
        try:
            # Several servers may choose at once.
            with locks.alone_in(self._cni_conf_dir):
                found = self.configured(network)
                if found is None:
                    choice = self.choice(network)
                    if choice is None or self._is_lost(network, choice):
                        choice = Choice(self._free(network), self._server_id)
                    found = conflists.composed(
                        network,
                        choice.subnet,
                        self._cni_conf_dir,
                        mtu_bytes=way_out.mtu_bytes(),
                    )
                    self._keep(network, choice)
                    conflists.write(self._cni_conf_dir, found)
            return found
        except (OSError, ValueError) as error:
            raise RuntimeFailure(
                FailureClass.NETWORK_FAILED, f"cannot create network '{network}': {error}"
            ) from error

    def configured(self, network: str) -> Network | None:
        """None: it is not. Raises OSError, ValueError: what is there is none."""
        found = (conflists.read(directory, network) for directory in self._conf_dirs)
        return next((one for one in found if one is not None), None)

    def is_configured(self, network: str) -> bool:
        return any(conflists.path_of(one, network).exists() for one in self._conf_dirs)

    def names(self) -> list[str]:
        """The networks that are configured."""
        return sorted({name for one in self._conf_dirs for name in conflists.names(one)})

    def choice(self, network: str) -> Choice | None:
        """None: this server's state knows of none."""
        try:
            told = json.loads(self._path(network).read_text(encoding="utf-8"))
            return Choice(IPv4Network(told["subnet"]), str(told["server"]))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def forget(self, network: str) -> None:
        """The network has ended: its subnet is free. Raises OSError."""
        with locks.alone_in(self._cni_conf_dir):
            for directory in self._conf_dirs:
                conflists.path_of(directory, network).unlink(missing_ok=True)
            self._path(network).unlink(missing_ok=True)

    def _is_lost(self, network: str, choice: Choice) -> bool:
        """Somebody else has it, since neither configuration nor bridge said that it is had."""
        if links.index(conflists.bridge_name(network)) is not None:
            return False
        # The same network in a folder that was left is nobody else.
        return any(one.overlaps(choice.subnet) for one in self._taken(but=network))

    def _taken(self, *, but: str = "") -> list[IPv4Network]:
        directory = os.fspath(self._cni_conf_dir)
        return [
            *taken.everything(cni_conf_dir=directory),
            *taken.of_ring(cni_conf_dir=directory, but=but),
        ]

    def _free(self, network: str) -> IPv4Network:
        subnet = self._pools.free([*self._taken(), *self._chosen()])
        if subnet is None:
            raise RuntimeFailure(
                FailureClass.NETWORK_FAILED,
                f"cannot create network '{network}': no subnet of /{self._pools.prefix} is free "
                f"in {self._pools.pool}; remove networks that nobody needs, or set another pool "
                "in [server.network]",
            )
        return subnet

    def _chosen(self) -> list[IPv4Network]:
        try:
            names = [path.stem for path in self._directory.iterdir() if path.suffix == ".json"]
        except OSError:
            return []
        choices = (self.choice(name) for name in names)
        return [choice.subnet for choice in choices if choice is not None]

    def _keep(self, network: str, choice: Choice) -> None:
        if self.choice(network) == choice:
            return
        path = self._path(network)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")
        told = {"subnet": str(choice.subnet), "server": choice.server_id}
        temporary.write_text(json.dumps(told), encoding="utf-8")
        temporary.replace(path)

    def _path(self, network: str) -> Path:
        return self._directory / f"{network}.json"
