"""TLS to an engine on another host: whom to believe, and how to be believed.

The engine is always verified. What leads to it unverified elsewhere (a certificate folder without
DOCKER_TLS_VERIFY) does not here.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp

from ring.core.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ring.runtimes.docker.connection import Endpoint

KEYS: Final = ("tls_ca", "tls_cert", "tls_key")
_FOLDER_FILES: Final = dict(zip(KEYS, ("ca.pem", "cert.pem", "key.pem"), strict=True))
ENVIRONMENT_FOLDER: Final = "environment_certs"


def secured(endpoint: Endpoint, options: Mapping[str, object], engine: str) -> Endpoint:
    """The endpoint over TLS, where the options of this engine or the environment ask for it.

    Raises HostError for what cannot be read, or would have no effect.
    """
    written = _written(options, engine)
    if endpoint.socket is not None:
        if written:
            raise HostError(
                f"{engine}: '{next(iter(written))}' is set, but there is no TLS to "
                f"{endpoint.host}: write tcp://HOST:PORT as its host"
            )
        return endpoint
    found = written or _from_folder(options.get(ENVIRONMENT_FOLDER), engine)
    if not found:
        return endpoint
    base = "https" + endpoint.base.removeprefix("http")
    return replace(endpoint, base=base, tls=_context(found, engine))


def cause(error: BaseException) -> str | None:
    """Why there is no TLS connection; None: it failed for something else."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        error = error.certificate_error
    elif isinstance(error, aiohttp.ClientOSError) and isinstance(error.__cause__, ssl.SSLError):
        error = error.__cause__
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not to be trusted: {error.verify_message}; is tls_ca the "
            "authority that issued it, and its host name the one that is asked for?"
        )
    if not isinstance(error, ssl.SSLError):
        return None
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer failure" in reason:
        return "what answers there does not speak TLS; is it the engine's TLS port?"
    if "alert" in reason or "certificate required" in reason:
        return f"it refuses our certificate ({reason}); do tls_cert and tls_key belong to it?"
    return f"no TLS connection could be made: {reason}"


def _written(options: Mapping[str, object], engine: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in KEYS:
        value = options.get(key)
        if value is None:
            continue
        # An empty one, of a template perhaps, would mean to speak in the clear.
        if not isinstance(value, str) or not value.strip():
            raise HostError(
                f"{engine}: '{key}' must be the path of a file in quotes; leave it out to do "
                "without it"
            )
        found[key] = value
    return found


def _from_folder(folder: object, engine: str) -> dict[str, str]:
    """What is in the folder that DOCKER_CERT_PATH names, by the names that Docker gives it."""
    if not isinstance(folder, str):
        return {}
    places = {key: Path(folder) / name for key, name in _FOLDER_FILES.items()}
    found = {key: f"{path}" for key, path in places.items() if path.exists()}
    if not found:
        raise HostError(
            f"{engine}: DOCKER_TLS_VERIFY or DOCKER_CERT_PATH asks for TLS, but there is none of "
            f"{', '.join(_FOLDER_FILES.values())} in {folder}"
        )
    return found


def _context(files: Mapping[str, str], engine: str) -> ssl.SSLContext:
    ca, cert, key = (files.get(name) for name in KEYS)
    if (cert is None) is not (key is None):
        one, other = ("tls_cert", "tls_key") if key is None else ("tls_key", "tls_cert")
        raise HostError(f"{engine}: '{one}' is set without '{other}': they belong together")
    for name, path in files.items():
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise HostError(
                f"{engine}: '{name}' {path} cannot be read: {error.strerror}"
            ) from error
    try:
        context = ssl.create_default_context(cafile=ca)
    except (ssl.SSLError, ValueError) as error:
        raise HostError(f"{engine}: 'tls_ca' {ca} holds no certificates in PEM form") from error
    if cert is not None and key is not None:
        try:
            # Without a password to try, the terminal would be asked for one.
            context.load_cert_chain(cert, key, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise HostError(
                f"{engine}: 'tls_cert' {cert} and 'tls_key' {key} are no certificate and its key "
                "in PEM form, the key without a password"
            ) from error
    return context
