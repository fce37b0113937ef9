"""A Dask cluster that makes the runs of a sweep, reached with TLS or, on a network that is trusted, without."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from glorotlab.errors import InvalidValueError, RunFailedError, reason

ENCRYPTED = ("tls://", "wss://")
"""Beginnings of TLS addresses."""

CONNECT_SECONDS = 20
"""Longest time in seconds to wait for a scheduler."""


@dataclass(frozen=True)
class Tls:
    """The PEM files by which this process and a Dask cluster authenticate each other.

    Parameters
    ----------
    ca_file : path-like or None
        Certificates of the authority that signs those of the cluster.
    cert : path-like or None
        Certificate of this side.
    key : path-like or None
        Its private key; None where it is in the file of the certificate.
    """

    ca_file: str | os.PathLike[str] | None
    cert: str | os.PathLike[str] | None
    key: str | os.PathLike[str] | None = None

    def as_client(self) -> dict[str, str]:
        """Return the files as Dask's ``Security`` takes them; InvalidValueError where one is missing."""
        if self.ca_file is None or self.cert is None:
            missing = "ca_file" if self.ca_file is None else "cert"
            raise InvalidValueError(
                f"TLS without {missing}: allowed are ca_file and cert, with key unless cert contains it"
            )
        files = {"tls_ca_file": self.ca_file, "tls_client_cert": self.cert, "tls_client_key": self.key or self.cert}
        paths = {name: os.path.abspath(os.path.expanduser(path)) for name, path in files.items()}
        for path in paths.values():
            if not os.path.isfile(path):
                raise InvalidValueError(f"TLS file {path!r}: there is no such file")
        return paths


def check_scheduler(address: str, tls: Tls | None = None) -> None:
    """Raise InvalidValueError if an address is malformed, or TLS files are missing or do not match it."""
    if not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://\S+:\d+", address):
        raise InvalidValueError(f"scheduler {address!r}: allowed is an address such as tls://host:8786")
    if tls and not address.startswith(ENCRYPTED):
        raise InvalidValueError(f"scheduler {address!r} with files of TLS: allowed is an address tls://host:port")
    if tls:
        tls.as_client()


def _security(address: str, tls: Tls | None) -> Any:
    """Return Dask's security settings for TLS, from its own configuration if no files are passed.

    It is tried here: a client that finds out later raises whatever OpenSSL does.
    """
    from distributed.security import Security

    if not address.startswith(ENCRYPTED):
        return None
    files = tls.as_client() if tls else {}
    try:
        security = Security(require_encryption=True, **files)
        ready = security.get_connection_args("client").get("ssl_context") is not None
    except (OSError, ValueError) as error:  # of OpenSSL too
        raise InvalidValueError(f"scheduler {address!r}: files of TLS that cannot be used: {reason(error)}") from None
    if not ready:
        raise InvalidValueError(
            f"scheduler {address!r} without files of TLS: allowed are those of an authority and a certificate "
            "(--tls-ca-file, --tls-cert and --tls-key), or Dask's own configuration"
        )
    return security


@contextmanager
def dask_cluster(address: str, tls: Tls | None = None) -> Iterator[Executor]:
    """Connect to the scheduler of a Dask cluster.

    Parameters
    ----------
    address : str
    tls : Tls or None
        With an address ``tls://``; None leaves it to Dask's own configuration.

    Raises
    ------
    InvalidValueError
        Where the address is none, it is without TLS where files of TLS are given, or ``distributed`` is not installed.
    RunFailedError
        Where nobody answers.
    """
    check_scheduler(address, tls)
    try:
        from distributed import Client
    except ImportError:
        raise InvalidValueError(
            f"scheduler {address!r}: Dask is not installed: pip install '.[cluster]' in glorotlab's source folder"
        ) from None
    security = _security(address, tls)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said in one line
    try:
        client = Client(address, security=security, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise RunFailedError(f"scheduler {address}: it does not answer: {reason(error)}") from None
    try:
        yield client.get_executor(pure=False)
    finally:
        client.close()
