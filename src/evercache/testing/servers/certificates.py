"""A certificate for the loopback, made by the `openssl` program; it signs itself and lives for two days."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evercache.errors import EvercacheError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificate", "make_certificate"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two PEM files; the certificate is its own authority, so clients trust *certificate* as their CA file."""

    certificate: Path
    key: Path

    def client_context(self) -> ssl.SSLContext:
        """What a client needs to trust it and nobody else."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def server_context(self) -> ssl.SSLContext:
        """What a server needs to show it."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    """Write a fresh pair of files for 127.0.0.1 and localhost into *folder*."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise EvercacheError("A test server with TLS needs the openssl program: apt-get install openssl.")
    made = Certificate(folder / "server.crt", folder / "server.key")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command += ["-keyout", str(made.key), "-out", str(made.certificate)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        raise EvercacheError(f"openssl could not make a certificate: {done.stderr.strip()[-300:]}")
    return made
