"""A PostgreSQL server of the tests' own, on loopback, from the system's packages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
INITDB = shutil.which("initdb") or next((str(path / "initdb") for path in reversed(_DEBIAN)), None)

needs_postgres = pytest.mark.skipif(INITDB is None, reason="PostgreSQL is not installed")

PASSWORD = "verysecret"


class Server:
    """A server that can be stopped and started again. For root it runs as postgres: it refuses root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._databases = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        secret.chmod(0o644)
        self._do("initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile=password", "-N")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        self._do("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        self._do("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"lab{self._databases}"
        owner = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres"]
        self._do("createdb", *owner, name)
        return f"postgresql://postgres:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def _do(self, program: str, *arguments: str) -> None:
        assert INITDB is not None
        path = Path(INITDB).with_name(program)
        subprocess.run(
            [path if path.exists() else program, *arguments],
            cwd=self._folder,
            env={**os.environ, "PGPASSWORD": PASSWORD},
            user="postgres" if os.getuid() == 0 else None,
            group="postgres" if os.getuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            check=True,
        )


@contextmanager
def postgres() -> Iterator[Server]:
    """A running server, gone without a trace at the end."""
    with tempfile.TemporaryDirectory(prefix="calibrate-postgres-") as folder:
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.stop("immediate")
