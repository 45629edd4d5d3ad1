"""The demo, which is the README's first command: it plays its own clients, and real ones connect with the lines that it
prints."""

import re
import shlex
import tempfile
from pathlib import Path

import pytest

from harness import ports
from harness.gateway import free_port
from harness.process import Background, run


def test_it_plays_its_own_clients(binary, home):
    done = run([binary, "demo", "--check"], cwd=home.work, env=home.environment(), timeout=120).check()
    assert re.search(r"^All \d+ steps went as they should\.$", done.out, re.M), done.out
    assert "✗" not in done.out, done.out
    # Neither here nor in the folder for temporary files is anything left of it.
    assert list(home.work.iterdir()) == []


@pytest.fixture
def demo(binary, home):
    """The demo on a free port, once it has printed all that it prints."""
    with Background([binary, "demo", "--port", free_port()], cwd=home.work, env=home.environment()) as process:
        process.wait_for("Claude Code: models")
        process.wait_for("--allowedTools")
        process.wait_for("audit.*jsonl")
        yield process


def line(demo: Background, *words: str) -> tuple[list[str], dict[str, str]]:
    """The command line that it prints with these words, and the variables in front of it."""
    found = [one.strip() for one in demo.out if all(word in one for word in words)]
    assert found, f"no line has {words}\n{demo.transcript()}"
    parts = shlex.split(found[0])
    split = next(at for at, part in enumerate(parts) if "=" not in part)
    return parts[split:], dict(part.split("=", 1) for part in parts[:split])


def test_claude_code_connects_with_the_lines_that_it_prints(demo, claude, browser):
    password = demo.wait_for(r"^  ada +(\S+) +everything")[1]
    add, _ = line(demo, "claude mcp add", "claude-public")
    login, _ = line(demo, "claude mcp login")
    with ports.reserved(ports.CLAUDE_CODE):
        claude.run(*add[1:]).check()
        claude.login(login[-1], lambda url: browser.sign_in(url, "ada", password))
    assert claude.status("gatehouse") == "✔ Connected"
    hello, key = line(demo, "claude -p hello")
    assert claude.run(*hello[1:], **key).check().out.strip()
    whoami, key = line(demo, "ledger_whoami")
    assert "ada" in claude.run(*whoami[1:], **key).check().out
    folder = Path(demo.wait_for(r"(/\S+)\.jsonl")[1]).parent
    assert folder.is_relative_to(tempfile.gettempdir()) and folder.is_dir()
    assert demo.stop() == 0, demo.transcript()
    assert not folder.exists(), "it removes what it made"
