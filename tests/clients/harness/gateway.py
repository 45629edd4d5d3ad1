"""A Gatehouse under test."""

import json
import os
import socket
import time
from pathlib import Path

import httpx

from .process import Background

REPOSITORY = Path(__file__).resolve().parents[3]


def find_binary() -> Path:
    """The binary that GATEHOUSE_BIN names, else the release build of this repository."""
    path = Path(os.environ.get("GATEHOUSE_BIN", REPOSITORY / "target" / "release" / "gatehouse"))
    assert path.is_file(), f"{path} is missing: `cargo build --release`, or set GATEHOUSE_BIN"
    return path


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Gateway:
    """A running `gatehouse serve`."""

    def __init__(self, process: Background, folder: Path, url: str, admin_port: int):
        self.process, self.folder, self.url, self.admin_port = process, folder, url, admin_port
        self.admin_url = f"http://127.0.0.1:{admin_port}"
        self._earlier: list[str] = []

    @classmethod
    def start(
        cls,
        binary: Path,
        config,
        folder: Path,
        *,
        env: dict[str, str] | None = None,
        port: int | None = None,
        scheme: str = "http",
        timeout: float = 60,
    ):
        """Writes `config` and serves it. `config` is YAML text with `@PORT@`, `@ADMIN_PORT@`,
        `@URL@` and `@DIR@` to be filled in, or a function of (url, port, admin_port, folder) that returns it."""
        folder.mkdir(parents=True, exist_ok=True)
        port, admin_port = port or free_port(), free_port()
        url = f"{scheme}://127.0.0.1:{port}"
        text = config(url, port, admin_port, folder) if callable(config) else config
        values = {"@PORT@": port, "@ADMIN_PORT@": admin_port, "@URL@": url, "@DIR@": folder}
        for name, value in values.items():
            text = text.replace(name, str(value))
        file = folder / "gatehouse.yaml"
        file.write_text(text)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **(env or {})}
        process = Background([binary, "serve", "--config", file], cwd=folder, env=environment)
        gateway = cls(process, folder, url, admin_port)
        try:
            gateway.wait_until_ready(timeout)
        except BaseException:
            process.stop()
            raise
        return gateway

    def wait_until_ready(self, timeout: float = 20) -> None:
        """Returns once `/readyz` of the operations listener says so."""
        end = time.monotonic() + timeout
        while True:
            assert self.process.is_running(), f"the gateway ended\n{self.process.transcript()}"
            try:
                if httpx.get(f"{self.admin_url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert time.monotonic() < end, f"the gateway is not ready\n{self.process.transcript()}"
            time.sleep(0.02)

    def restart(self) -> None:
        """Ends it with SIGTERM and starts it again, with the same configuration on the same ports."""
        assert self.stop() == 0, self.process.transcript()
        self.start_again()

    def start_again(self) -> None:
        """Starts it after it has ended, with the same configuration on the same ports."""
        ended = self.process
        self._earlier += [*ended.out, *ended.err]
        self.process = Background(ended.command, cwd=self.folder, env=ended.env)
        self.wait_until_ready(60)

    def log(self) -> list[dict]:
        """Its log lines so far."""
        return [json.loads(line) for line in list(self.process.err) if line.startswith("{")]

    def log_lines(self, are_wanted, timeout: float = 5) -> list[dict]:
        """Its log lines that are wanted, once there is one: they are written after the answer that they are about."""
        deadline = time.monotonic() + timeout
        while not (lines := [line for line in self.log() if are_wanted(line)]):
            assert time.monotonic() < deadline, f"no such line was logged:\n{self.log_text()}"
            time.sleep(0.02)
        return lines

    def log_text(self) -> str:
        """Everything it has written to its log, for canary searches."""
        return "\n".join([*self._earlier, *self.process.out, *self.process.err])

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self.process.stop(timeout=35)
