"""A private PostgreSQL cluster in a temporary folder, on a loopback port, with standbys and poolers of it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

from harness.gateway import free_port

PROGRAMS = ("initdb", "pg_ctl", "createdb", "pg_basebackup", "psql")
# The server refuses to run as root; as root we run it as `nobody`.
NOBODY = 65534
INITDB = ("-U", "gatehouse", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")


class Cluster:
    """A cluster that is as durable as a production server. It runs inside the `with` block. With `of`, it is a standby
    of that one. `settings` are parameters of the server."""

    def __init__(self, of: "Cluster | None" = None, **settings: str):
        # Not below pytest's folders, which the server's user could not enter.
        self._folder = Path(tempfile.mkdtemp(prefix="gh-pg"))
        self._programs = _programs()
        self._names = count(1)
        self._of, self._settings = of, settings
        self.port = free_port()

    def __enter__(self) -> "Cluster":
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        try:
            if self._of:
                source = ("-h", "127.0.0.1", "-p", str(self._of.port), "-U", "gatehouse")
                self._run("pg_basebackup", *source, "-D", self._data, "-R", "-X", "stream", "-c", "fast", "--no-sync")
            else:
                self._run("initdb", "-D", self._data, *INITDB)
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
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories=''"
        options += "".join(f" -c {name}='{value}'" for name, value in self._settings.items())
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

    def crash(self) -> None:
        """Ends the server as a power cut would."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def promote(self) -> None:
        """Makes a standby the primary."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "30", "promote")

    def query(self, sql: str, database: str = "postgres") -> str:
        """What `psql` prints for a statement."""
        at = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "gatehouse", "-d", database)
        return self._run("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", *at, "-c", sql).strip()

    def hold(self, table: str, database: str) -> subprocess.Popen:
        """Holds a table until the process that is returned is killed."""
        at = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "gatehouse", "-d", database)
        sql = f"BEGIN; LOCK TABLE {table}"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # As input that does not end: the server lets go as soon as the client is gone.
        holder = subprocess.Popen([self._programs / "psql", "-X", *at], env={"PATH": os.defpath}, text=True, **pipes)
        holder.stdin.write(sql + ";\n")
        holder.stdin.flush()
        end = time.monotonic() + 5
        held = f"SELECT count(*) FROM pg_locks WHERE granted AND relation = '{table}'::regclass AND mode LIKE 'AccessE%'"
        while self.query(held, database) == "0":
            assert time.monotonic() < end, f"{table} cannot be held"
            time.sleep(0.02)
        return holder

    def new_database(self) -> str:
        """The name of a new database."""
        name = f"drill_{next(self._names)}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "gatehouse", name)
        return name

    def database(self) -> str:
        """A new database, as a `store` section."""
        return store(url(self.port, self.new_database()))

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> str:
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
                **_user(),
            )
        assert done.returncode == 0, f"{program} failed:\n{said.read_text()}"
        return said.read_text()


class PgBouncer:
    """A pooler in front of a cluster. It runs inside the `with` block. `settings` are parameters of the pooler."""

    def __init__(self, cluster: Cluster, **settings: str):
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="gh-pgb"))
        # Fewer servers than clients, so that neighbouring transactions meet at different ones.
        values = {
            "listen_addr": "127.0.0.1",
            "listen_port": self.port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self._folder / "users",
            "pool_mode": "transaction",
            "default_pool_size": 3,
            "max_client_conn": 200,
            **settings,
        }
        lines = ["[databases]", f"* = host=127.0.0.1 port={cluster.port}", "[pgbouncer]"]
        lines += [f"{name} = {value}" for name, value in values.items()]
        (self._folder / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        (self._folder / "users").write_text('"gatehouse" ""\n')
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> "PgBouncer":
        for path in (self._folder, *self._folder.iterdir()):
            if os.geteuid() == 0:
                os.chown(path, NOBODY, NOBODY)
        program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin")
        assert program, "the drills need a pooler: install the Debian package `pgbouncer`"
        self._log = (self._folder / "log").open("w")
        command = [program, str(self._folder / "pgbouncer.ini")]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env={"PATH": os.defpath}, **_user()
        )
        end = time.monotonic() + 10
        while not _listens(self.port):
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < end, "the pooler does not listen"
            time.sleep(0.02)
        return self

    def __exit__(self, *_) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)
            self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def url(port: int, database: str) -> str:
    return f"postgres://gatehouse@127.0.0.1:{port}/{database}"


def store(*urls: str, **settings: str) -> str:
    """A `store` section for these servers."""
    servers = f'url: "{urls[0]}"' if len(urls) == 1 else f"urls: [{', '.join(map(json.dumps, urls))}]"
    more = "".join(f", {name}: {value}" for name, value in settings.items())
    return f"{{ type: postgres, postgres: {{ {servers}{more} }} }}"


def _user() -> dict:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _programs() -> Path:
    """The folder of the server's programs: the newest under /usr/lib/postgresql, else where PATH finds them."""
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    installed = sorted(versions, key=lambda folder: int(folder.parent.name))
    for folder in [*reversed(installed), *map(Path, os.environ.get("PATH", "").split(":"))]:
        if all((folder / program).exists() for program in PROGRAMS):
            return folder
    raise AssertionError("the drills need the PostgreSQL server programs: install the Debian package `postgresql-15`")
