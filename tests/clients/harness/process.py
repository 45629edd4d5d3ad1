"""Child processes with deadlines, stopped by their own process id only."""

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path


class Finished:
    """How a process ended."""

    def __init__(self, command: list[str], code: int, out: str, err: str):
        self.command, self.code, self.out, self.err = command, code, out, err

    def check(self) -> "Finished":
        """Fails the test, with everything the process said, unless it ended well."""
        assert self.code == 0, f"{self.command} exited with {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"
        return self


def run(command, *, cwd: Path, env: dict[str, str], timeout: float = 60, stdin: str | None = None) -> Finished:
    """Runs a command to its end; without `stdin` it reads from /dev/null."""
    command = [str(word) for word in command]
    source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, **source)
    return Finished(command, done.returncode, done.stdout, done.stderr)


class Background:
    """A process that runs beside the test; its output is gathered line by line."""

    def __init__(self, command, *, cwd: Path, env: dict[str, str]):
        self.command, self.env = [str(word) for word in command], env
        self._process = subprocess.Popen(
            self.command,
            cwd=cwd,
            env=env,
            text=True,
            bufsize=1,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.out: list[str] = []
        self.err: list[str] = []
        self._changed = threading.Condition()
        self._readers = [self._read(self._process.stdout, self.out), self._read(self._process.stderr, self.err)]

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self, stream, lines: list[str]) -> threading.Thread:
        def pump():
            for line in stream:
                with self._changed:
                    lines.append(line.rstrip("\n"))
                    self._changed.notify_all()
            with self._changed:
                self._changed.notify_all()

        thread = threading.Thread(target=pump, daemon=True)
        thread.start()
        return thread

    def write(self, line: str) -> None:
        """Sends one line to its standard input."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait_for(self, pattern: str, *, stream: str = "any", timeout: float = 30) -> re.Match:
        """The first match of `pattern` in a line of `out`, `err` or `any` of them."""
        end = time.monotonic() + timeout
        seen = {"out": 0, "err": 0}
        with self._changed:
            while True:
                for name in ("out", "err"):
                    lines = getattr(self, name)
                    while stream in ("any", name) and seen[name] < len(lines):
                        seen[name] += 1
                        if match := re.search(pattern, lines[seen[name] - 1]):
                            return match
                left = end - time.monotonic()
                is_over = self._process.poll() is not None and not any(reader.is_alive() for reader in self._readers)
                assert left > 0 and not is_over, f"`{pattern}` did not come\n{self.transcript()}"
                self._changed.wait(min(left, 0.2))

    def wait_for_line(self, stream: str, number: int, timeout: float = 60) -> str:
        """Line `number` (from 0) of `out` or `err`."""
        lines = self.out if stream == "out" else self.err
        with self._changed:
            is_there = self._changed.wait_for(lambda: len(lines) > number or not self.is_running(), timeout)
            assert is_there and len(lines) > number, f"line {number} did not come\n{self.transcript()}"
            return lines[number]

    def transcript(self) -> str:
        out, err = "\n".join(self.out), "\n".join(self.err)
        return f"{self.command} (exit {self._process.poll()})\n--- out\n{out}\n--- err\n{err}"

    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout: float = 10) -> int:
        """Asks it and its children to end, insists after `timeout` seconds; returns the exit code."""
        if self._process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()
        for reader in self._readers:
            reader.join(2)
        return self._process.returncode

    def _signal(self, number: int) -> None:
        # Its session is its own, so its process group has its id.
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_) -> None:
        self.stop()
