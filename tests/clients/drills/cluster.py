"""A private PostgreSQL cluster in a temporary folder, on a loopback port."""

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path

from harness.gateway import free_port

PROGRAMS = ("initdb", "pg_ctl", "createdb")
# The server refuses to run as root; as root we run it as `nobody`.
NOBODY = 65534


class Cluster:
    """A cluster that is as durable as a production server. It runs inside the `with` block."""

    def __init__(self):
        # Not below pytest's folders, which the server's user could not enter.
        self._folder = Path(tempfile.mkdtemp(prefix="gh-pg"))
        self._programs = _programs()
        self._names = count(1)
        self._port = free_port()

    def __enter__(self) -> "Cluster":
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        try:
            self._run("initdb", "-D", self._data, "-U", "gatehouse", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
            self.resume()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        if (self._folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """Ends the server, and with it every connection."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "fast", "stop")

    def resume(self) -> None:
        """Starts the server."""
        # On TCP, as between machines: a server that is gone refuses connections there.
        options = f"-c listen_addresses=127.0.0.1 -c port={self._port} -c unix_socket_directories=''"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", log, "-o", options, "start")

    def hang(self) -> None:
        """Every process of the server stops where it is; connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        """Goes on after `hang`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        first = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for process in (first, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def database(self) -> str:
        """A new database, as a `store` section."""
        name = f"drill_{next(self._names)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "gatehouse", name)
        url = f"postgres://gatehouse@127.0.0.1:{self._port}/{name}"
        return f'{{ type: postgres, postgres: {{ url: "{url}" }} }}'

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        said = self._folder / "said"
        # A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
        with said.open("w") as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=90,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                **user,
            )
        assert done.returncode == 0, f"{program} failed:\n{said.read_text()}"


def _programs() -> Path:
    """The folder of the server's programs: the newest under /usr/lib/postgresql, else where PATH finds them."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    installed = sorted(versions, key=lambda folder: int(folder.parent.name))
    for folder in [*reversed(installed), *map(Path, os.environ.get("PATH", "").split(":"))]:
        if all((folder / program).exists() for program in PROGRAMS):
            return folder
    raise AssertionError("the drills need the PostgreSQL server programs: install the Debian package `postgresql-15`")
