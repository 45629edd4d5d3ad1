"""A full disk for one process: the system refuses to let any of its files grow beyond the size of one of them."""

import resource
from pathlib import Path

from drills.site import Site

# The process gets an error, as from a full disk, rather than a signal.
WITHOUT_SIGNAL = ("env", "--ignore-signal=XFSZ")


def fill_disk(node: Site, file: Path) -> None:
    """No file gets longer than `file` is now."""
    limits = (file.stat().st_size, resource.RLIM_INFINITY)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, limits)


def empty_disk(node: Site) -> None:
    """Files may grow again."""
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
