"""`auth.json`: one token for each context, in a file only its owner reads."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from ring.core.errors import HostError, UserError

if TYPE_CHECKING:
    from pathlib import Path

Entries = dict[str, dict[str, object]]


class Credentials:
    """The stored tokens of one config directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "auth.json"

    def token(self, context: str) -> str | None:
        """The stored token of a context. Raises UserError when the file cannot be understood."""
        token = self._read().get(context, {}).get("token")
        return token if isinstance(token, str) and token else None

    def check(self) -> None:
        """Raises UserError or HostError when the file could not take a token."""
        self._read()

    def store(self, context: str, token: str) -> None:
        """Keep a token; the other contexts keep theirs."""
        self._write(self._read() | {context: {"token": token}})

    def forget(self, context: str) -> None:
        """Drop a context's token; nothing happens when there is none."""
        entries = self._read()
        if entries.pop(context, None) is not None:
            self._write(entries)

    def _read(self) -> Entries:
        try:
            content = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._host_error("read", error) from error
        except (ValueError, RecursionError) as error:
            raise self._broken() from error
        if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
            raise self._broken()
        return content

    def _write(self, entries: Entries) -> None:
        """Replace the file in one step, so that a reader sees the old one or the new one."""
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
        draft = self._directory / f".auth.json.{os.urandom(4).hex()}"
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                    out.write(text)
                    out.flush()
                    os.fsync(out.fileno())
                draft.replace(self._file)
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink()
                raise
        except OSError as error:
            raise self._host_error("write", error) from error

    def _host_error(self, act: str, error: OSError) -> HostError:
        reason = (error.strerror or "failed").lower()
        return HostError(f"cannot {act} {self._file}: {reason}")

    def _broken(self) -> UserError:
        return UserError(f"cannot parse {self._file}: repair or remove it, then run `ring login`")
