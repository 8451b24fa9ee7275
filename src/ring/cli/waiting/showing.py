"""How a wait is shown: one line for each deployment, redrawn on a terminal, appended elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from ring.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.live import Live as RichLive

    from ring.cli.session import Session
    from ring.cli.waiting.subject import Subject


class Plain:
    """A line whenever one says something new; none beside JSON output."""

    def __init__(self, session: Session, subjects: Sequence[Subject]) -> None:
        del subjects
        self._session = session
        self._shown: dict[Subject, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, subject: Subject, text: str) -> None:
        if self._shown.get(subject) != text and not self._session.json:
            self._session.print(f"{subject}: {text}")
        self._shown[subject] = text


class Live:
    """One line for each, in place; they vanish when the wait is over."""

    def __init__(self, session: Session, subjects: Sequence[Subject]) -> None:
        from rich.console import Console  # its weight is for a terminal alone
        from rich.live import Live as Display

        self._texts = dict.fromkeys(subjects, "…")
        console = Console(no_color=not session.out.colour, highlight=False)
        self._display: RichLive = Display(console=console, transient=True, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def show(self, subject: Subject, text: str) -> None:
        from rich.text import Text

        self._texts[subject] = text
        lines = (printable(f"{one}: {what}") for one, what in self._texts.items())
        self._display.update(Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
