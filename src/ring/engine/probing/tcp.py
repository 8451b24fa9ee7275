"""A TCP probe: passes when somebody accepts a connection."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from ring.engine.probing.probed import failed, passed

if TYPE_CHECKING:
    from ring.engine.probing.probed import Probed
    from ring.engine.ways import Way


async def probe(by: Way) -> Probed:
    """Nothing is read or written. Raises TimeoutError where the system itself gives up."""
    where = f"[{by.address}]:{by.port}" if ":" in by.address else f"{by.address}:{by.port}"
    try:
        await _connect(by)
    except TimeoutError:
        raise
    except OSError as error:
        return failed(f"TCP connection failed: {reason(error)}")
    return passed(f"TCP connection to {where} successful")


async def _connect(by: Way) -> None:
    if by.socket is None:
        _, writer = await asyncio.open_connection(by.address, by.port)
        writer.close()
        return
    with by.socket:
        await asyncio.get_running_loop().sock_connect(by.socket, (by.address, by.port))


def reason(error: OSError) -> str:
    """In the system's words: those of the event loop name the address once more."""
    return os.strerror(error.errno) if error.errno else str(error)
