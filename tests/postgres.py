"""A real PostgreSQL server for tests, from the machine's own packages, on loopback."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

ABSENT = "PostgreSQL server not installed (apt-get install postgresql)"
USER = "fillwright"
DEFAULT_BUFFERS = "128MB"
"""The server's own default of ``shared_buffers``, for measurements; tests take less."""
SYNCS = os.environ.get("FILLWRIGHT_POSTGRES_FSYNC") == "1"
"""Whether the server that tests share syncs for real; what is tested there does not need it."""
PORTS = range(20_000, 32_000)
_chance = random.SystemRandom()
"""Not seeded with the tests: those of several processes would try the same ports."""
_numbers = count(1)
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt")


def binaries() -> Path | None:
    """The folder of the newest server's programs, None where there is none."""
    found = [
        path.parent
        for place in _PLACES
        for path in Path(place).glob("*/bin/initdb")
        if (path.parent / "postgres").exists()
    ]
    if found:
        return max(found, key=lambda path: path.parent.name.rjust(20))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path and shutil.which("postgres") else None


def unprivileged() -> str | None:
    """The user to run as: the server refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class PostgresServer:
    """One server with its own data folder and port; it can be stopped, killed and started again.

    ``data`` puts a data folder where it is told; without it a new one is made, with the ``options``
    of initdb. ``environment`` is what the server's processes get besides their own.
    """

    def __init__(
        self,
        programs: Path,
        *,
        fsync: bool = False,
        data: Callable[[Path], None] | None = None,
        options: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self.programs = programs
        self.environment: dict[str, str] = {}
        self.user = unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="fillwright-postgres-"))
        self.port = _free_port()
        self._fsync, self._settings = fsync, settings
        self._process: subprocess.Popen[bytes] | None = None
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        self._log = (self.folder / "server.log").open("wb")
        if data is None:
            self._make(options)
        else:
            data(self.data)
            if self.user is not None:
                for path in (self.data, *self.data.rglob("*")):
                    shutil.chown(path, self.user)

    def _make(self, options: Sequence[str]) -> None:
        fixed = ["-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "-N"]
        subprocess.run(
            [str(self.programs / "initdb"), *fixed, *options],
            check=True,
            stdout=self._log,
            stderr=self._log,
            user=self.user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )

    @property
    def data(self) -> Path:
        """The server's data folder."""
        return self.folder / "data"

    @property
    def url(self) -> str:
        """The server's database, without a schema."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers.

        After a kill it is tried again until nothing of the one before is left.
        """
        for _ in range(600):
            if self._process is None or self._process.poll() is not None:
                if self._process is not None and not self._waits_for_the_one_before():
                    break
                self._process = self._launched()
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError(self._said())

    def _launched(self) -> subprocess.Popen[bytes]:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "on" if self._fsync else "off",
            "max_connections": "80",
            "shared_buffers": "32MB",
            "autovacuum_naptime": "30s",
            **self._settings,
        }
        settings = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        return subprocess.Popen(
            [str(self.programs / "postgres"), "-D", str(self.data), *settings],
            stdout=self._log,
            stderr=self._log,
            user=self.user,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **self.environment},
        )

    def _waits_for_the_one_before(self) -> bool:
        return "is still in use" in self._said(500)

    def _said(self, characters: int = 2_000) -> str:
        return (self.folder / "server.log").read_text(errors="replace")[-characters:]

    @contextmanager
    def explaining(self, keep: Path | None = None) -> Iterator[None]:
        """A failure inside it carries the end of the server's log, and its files go to ``keep``.

        Otherwise they are gone when the server is closed.
        """
        try:
            yield
        except Exception as error:
            error.add_note(f"The server on port {self.port} said last:\n{self._said()}")
            if keep is not None:
                # What a running server removes meanwhile is no reason to keep nothing.
                subprocess.run(["cp", "-a", str(self.folder), str(keep)], check=False)
                error.add_note(f"Its files are in {keep}.")
            raise

    def children(self) -> list[int]:
        """The processes of the running server, but for the first of them."""
        assert self._process is not None
        listed = subprocess.run(["ps", "-Ao", "pid=,ppid="], capture_output=True, check=True)
        rows = [map(int, line.split()) for line in listed.stdout.splitlines()]
        return [pid for pid, parent in rows if parent == self._process.pid]

    def kill(self, *, whole: bool) -> None:
        """Kill its first process, and with ``whole`` all of them at once, so that none tidies up.

        Those of the others that are left notice that the first has gone, and end.
        """
        assert self._process is not None
        # While it stands still it cannot have the others end in order.
        self._process.send_signal(signal.SIGSTOP)
        for pid in self.children() if whole else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait(60)
        self._process = None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT closes connections in order, SIGQUIT leaves all as a crash does."""
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(60)
        self._process = None

    def close(self) -> None:
        """End it and remove its files."""
        self.stop(signal.SIGQUIT)
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        ready = subprocess.run(
            [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
        )
        return ready.returncode == 0


def _free_port() -> int:
    """A port that nobody listens on, from below those that a system gives to connections.

    One of those may be taken by any connection before the server listens on it.
    """
    while True:
        port = _chance.choice(PORTS)
        with socket.socket() as free, suppress(OSError):
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            return port


def fresh_store(
    server: PostgresServer, folder: Path, name: str = "fillwright.pg", **parameters: object
) -> str:
    """The URL of a new, migrated, empty store in a schema of its own."""
    from fillwright.adapters.storage.postgres.opening import migrate_postgres

    schema = f"t{os.getpid()}_{next(_numbers)}"
    query = "".join(f"&{key}={value}" for key, value in parameters.items())
    url = f"{server.url}?schema={schema}&files={folder / name}{query}"
    assert migrate_postgres(url) == 0
    return url
