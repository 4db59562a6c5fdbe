"""One server for the tests of a module; each test leaves it clean."""

from collections.abc import Iterator

import pytest

from tests.paper.servers import PaperServer, running


@pytest.fixture(scope="module")
def running_server() -> Iterator[PaperServer]:
    with running() as server:
        yield server


@pytest.fixture
def server(running_server: PaperServer) -> Iterator[PaperServer]:
    yield running_server
    running_server.clean()
