"""Fixtures of the drills. What they measure is printed at the end of the run."""

from pathlib import Path

import pytest

from drills.cluster import Cluster
from drills.site import Site
from upstreams.puppet import Puppet

FIGURES: list[str] = []


@pytest.fixture(scope="session")
def figure():
    """`figure(text)`: a measurement to print at the end."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("drills")
        for line in FIGURES:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def puppet():
    """The one upstream of all sites."""
    with Puppet() as puppet:
        yield puppet


@pytest.fixture(scope="session")
def cluster():
    """A PostgreSQL server of our own."""
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def site(binary: Path, tmp_path: Path, puppet: Puppet):
    """Starts nodes: `site(name, **settings)`. They end with the test."""
    started: list[Site] = []

    def start(name: str = "node", **settings) -> Site:
        started.append(Site(binary, tmp_path / name, puppet, **settings))
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.__exit__()
