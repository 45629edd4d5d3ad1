"""A scratch home folder."""

from pathlib import Path

CLIENTS = Path(__file__).resolve().parent.parent
BIN = CLIENTS / "node_modules" / ".bin"


class Home:
    """An empty home folder with an environment that leads nowhere else."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.folder = folder
        self.work = folder / "work"
        self.work.mkdir()

    def environment(self, **more: str) -> dict[str, str]:
        """The whole environment of a client. The pinned Node comes first on the path; no browser opens."""
        return {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "COLUMNS": "4000",
            "LINES": "50",
            "BROWSER": "/bin/true",
            "NO_PROXY": "127.0.0.1,localhost,::1",
            **more,
        }
