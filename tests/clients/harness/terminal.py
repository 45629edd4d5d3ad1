"""A pseudo terminal for clients that insist on one."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

# A URL ends where the terminal's control sequences begin; it may stand inside a hyperlink sequence (OSC 8).
URL = r"https?://[^\s\x1b\x07\x00-\x1f\"'<>]+"


class Terminal:
    """A process on a terminal that is wide enough not to wrap URLs."""

    def __init__(self, command, *, cwd: Path, env: dict[str, str]):
        self.command = [str(word) for word in command]
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 4000, 0, 0))
        self._process = subprocess.Popen(
            self.command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._fd = ours
        self.text = ""

    def wait_for(self, pattern: str, timeout: float = 30) -> re.Match:
        """The first match of `pattern` in everything that was shown, once something follows it."""
        end = time.monotonic() + timeout
        while True:
            match = re.search(pattern, self.text)
            if match and match.end() < len(self.text):
                return match
            left = end - time.monotonic()
            assert left > 0, f"`{pattern}` did not come from {self.command}\n{self.text!r}"
            if not self._read(min(left, 0.5)):
                if match:
                    return match
                raise AssertionError(f"{self.command} ended before `{pattern}` came\n{self.text!r}")

    def wait_for_url(self, part: str, timeout: float = 30) -> str:
        """The first URL that contains `part`."""
        end = time.monotonic() + timeout
        while True:
            for match in re.finditer(URL, self.text):
                if part in match.group() and match.end() < len(self.text):
                    return match.group()
            assert time.monotonic() < end, f"no URL with `{part}` came from {self.command}\n{self.text!r}"
            assert self._read(0.5), f"{self.command} ended without a URL with `{part}`\n{self.text!r}"

    def write(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait(self, timeout: float = 30) -> int:
        """Its exit code; everything it shows meanwhile is kept."""
        end = time.monotonic() + timeout
        while self._read(0.2):
            assert time.monotonic() < end, f"{self.command} does not end\n{self.text!r}"
        return self._process.wait(max(1, end - time.monotonic()))

    def stop(self) -> None:
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._process.wait()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self, seconds: float) -> bool:
        """Takes in what is there; `False` when the other side is gone."""
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # the other side has closed the terminal
            return False
        self.text += data.decode(errors="replace")
        return bool(data)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_) -> None:
        self.stop()
