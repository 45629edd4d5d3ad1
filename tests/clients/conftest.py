"""Fixtures for tests that drive a running Gatehouse with real clients."""

from pathlib import Path

import pytest

from harness.browser import Browser
from harness.claude import ClaudeCode
from harness.gateway import Gateway, find_binary
from harness.home import Home
from harness.house import House
from harness.node import Node


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
def claude(home: Home) -> ClaudeCode:
    """Claude Code with a home of its own."""
    return ClaudeCode(home)


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
