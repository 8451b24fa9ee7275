"""What `security` comes to: the preset written out, capabilities by one name each.

Every adapter maps this and never what the manifest says, so that `hardened` means the same on all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ring.core.model.spec import Security

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ring.core.model.spec import DeploymentSpec

ALL: Final = "ALL"
_PREFIX: Final = "CAP_"


def in_effect(spec: DeploymentSpec) -> Security:
    """Without `hardened`; capability names are without `CAP_`, and none is both added and dropped.

    What is added wins. `ALL` is a name of its own: dropped beside an added one, all others go.
    """
    written = spec.security or Security()
    added = _names(written.cap_add)
    dropped = [ALL] if written.hardened else _names(written.cap_drop)
    return written.model_copy(
        update={
            "hardened": None,
            "cap_add": tuple(added),
            "cap_drop": tuple(name for name in dropped if name not in added),
            "read_only": bool(written.hardened or written.read_only),
            "no_new_privileges": bool(written.hardened or written.no_new_privileges),
        }
    )


def _names(written: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name.removeprefix(_PREFIX) for name in written))
