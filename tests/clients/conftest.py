"""Fixtures for tests that drive a running Gatehouse with real clients."""

from pathlib import Path

import pytest

from harness.browser import Browser
from harness.claude import ClaudeCode
from harness.gateway import Gateway, find_binary
from harness.home import Home
from harness.house import House
from harness.node import Node
from harness.outside import Outside


@pytest.fixture(scope="session")
def binary() -> Path:
    """The release binary, or the one that GATEHOUSE_BIN names."""
    return find_binary()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home folder and an environment in which no client finds anything of the real user."""
    return Home(tmp_path / "home")


@pytest.fixture
def node(home: Home) -> Node:
    """Runs scripts and npm clients on the pinned Node 22."""
    return Node(home)


@pytest.fixture
def outside():
    """What clients find when they leave this machine. None may try."""
    with Outside() as outside:
        yield outside
        assert outside.asked == [], "a client asked for something outside of this machine"


@pytest.fixture
def claude(home: Home, outside: Outside) -> ClaudeCode:
    """Claude Code with a home of its own."""
    return ClaudeCode(home, outside)


@pytest.fixture
def browser():
    """A user agent with cookies that fills in our pages."""
    with Browser() as browser:
        yield browser


@pytest.fixture
def gateway(binary: Path, tmp_path: Path):
    """Starts gateways: `gateway(config)` writes `config`, serves it on free ports and waits until it is ready."""
    started = []

    def start(config, **options) -> Gateway:
        folder = tmp_path / f"gateway-{len(started)}"
        started.append(Gateway.start(binary, config, folder, **options))
        return started[-1]

    yield start
    for one in reversed(started):
        one.stop()


@pytest.fixture(scope="module")
def house(binary: Path, tmp_path_factory):
    """One process with all doors and upstreams behind them, for the tests of a module. At the end, no credential
    that a caller showed may be found anywhere it should not be."""
    with House(binary, tmp_path_factory.mktemp("house")) as house:
        yield house
        house.check_canaries()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows what its gateways logged last."""
    report = yield
    if report.failed:
        for name, value in getattr(item, "funcargs", {}).items():
            gateway = value if isinstance(value, Gateway) else getattr(value, "gateway", None)
            if isinstance(gateway, Gateway):
                lines = [line for line in gateway.log_text().splitlines() if '"level":"DEBUG"' not in line]
                report.sections.append((f"the log of {name}", "\n".join(lines[-20:])))
    return report
