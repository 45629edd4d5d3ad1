"""Ports that a client's registration fixes: one test at a time has each, also across test runs."""

import fcntl
import socket
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

CLAUDE_CODE = 29352
MCP_REMOTE = 3334
INSPECTOR = 6276


@contextmanager
def reserved(port: int, seconds: float = 120):
    """Waits until no other test run has `port` and nobody listens on it."""
    end = time.monotonic() + seconds
    with (Path(tempfile.gettempdir()) / f"gatehouse-clients-{port}.lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                assert time.monotonic() < end, f"another test run keeps port {port}"
                time.sleep(0.1)
        while not _is_free(port):
            assert time.monotonic() < end, f"somebody listens on port {port}"
            time.sleep(0.1)
        yield port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
