"""What the keeper waits for: descriptors that can be read, each with what is done then."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Hub:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._acts: dict[int, Callable[[], object]] = {}

    def watch(self, fd: int, act: Callable[[], object]) -> None:
        self._acts[fd] = act
        self._epoll.register(fd, select.EPOLLIN)

    def leave(self, fd: int) -> None:
        """Before it is closed; does nothing where it is not watched."""
        if self._acts.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def wait(self, timeout_s: float) -> bool:
        """Acts once for each that is ready, so that none waits for a loud one; False: none was."""
        ready = [(fd, self._acts.get(fd)) for fd, _ in self._epoll.poll(timeout_s)]
        for fd, act in ready:
            # An act before may have closed it, and another one may have its number now.
            if act is not None and self._acts.get(fd) is act:
                act()
        return bool(ready)
