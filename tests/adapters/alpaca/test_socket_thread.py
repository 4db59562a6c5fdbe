"""A socket's thread begins once, and ends whatever it is doing."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_api.socket_thread import SocketThread
from fillwright.adapters.brokers.alpaca.updates import Updates
from fillwright.adapters.market_data.alpaca_feed import Feed

WAIT = 20


class Endless:
    """A stream that runs until it is cancelled, and says when it runs and when it was closed."""

    def __init__(self) -> None:
        self.runs, self.closed = threading.Event(), threading.Event()
        self.swallowed = 0
        self.swallows = 0

    async def _run_forever(self) -> None:
        self.runs.set()
        while True:
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                if self.swallowed == self.swallows:
                    raise
                self.swallowed += 1

    async def close(self) -> None:
        self.closed.set()


def thread_of(make: Callable[[], Any]) -> SocketThread[Any]:
    return SocketThread("test-socket", make, "fillwright.test.socket")


def test_it_runs_once_and_is_closed_when_it_is_stopped() -> None:
    made: list[Endless] = []

    def make() -> Endless:
        made.append(Endless())
        return made[-1]

    thread = thread_of(make)
    thread.start()
    thread.start()
    while not made:
        pass
    assert made[0].runs.wait(WAIT)
    assert thread.is_running
    thread.stop()
    assert not thread.is_running
    assert made[0].closed.is_set()
    thread.start()
    assert not thread.is_running, "after the end nothing starts any more"
    thread.stop()
    assert len(made) == 1


def test_it_is_stopped_though_it_has_not_begun() -> None:
    stream, begins, goes_on = Endless(), threading.Event(), threading.Event()

    def slow() -> Endless:
        begins.set()
        assert goes_on.wait(WAIT)
        return stream

    thread = thread_of(slow)
    thread.start()
    assert begins.wait(WAIT)
    stopping = threading.Thread(target=thread.stop)
    stopping.start()
    while not thread._stopped:
        pass
    goes_on.set()
    stopping.join(WAIT)
    assert not stopping.is_alive()
    assert not thread.is_running
    assert not stream.runs.is_set(), "what was stopped before it began does not connect"


def test_stopping_at_once_ends_it_every_time() -> None:
    for _ in range(50):
        thread = thread_of(Endless)
        thread.start()
        thread.stop()
        assert not thread.is_running


def test_a_cancellation_that_is_swallowed_is_sent_again() -> None:
    stream = Endless()
    stream.swallows = 2
    thread = thread_of(lambda: stream)
    thread.start()
    assert stream.runs.wait(WAIT)
    thread.stop()
    assert not thread.is_running
    assert stream.swallowed == 2


def test_what_it_is_told_is_done_in_its_loop_while_it_runs() -> None:
    stream, told = Endless(), threading.Event()
    thread = thread_of(lambda: stream)

    async def tell(given: Endless) -> None:
        assert given is stream
        told.set()

    async def fail(_: Endless) -> None:
        raise OSError("the connection is gone")

    assert not thread.call(tell)
    thread.start()
    assert stream.runs.wait(WAIT)
    assert thread.call(fail)
    assert thread.call(tell)
    assert told.wait(WAIT)
    thread.stop()
    assert not thread.call(tell)


@pytest.fixture
def mute() -> Iterator[AlpacaAccess]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        yield AlpacaAccess(
            SecretStr("key"), SecretStr("secret"), trading_url=f"http://127.0.0.1:{port}"
        )


def alive(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


@pytest.mark.parametrize("pause", [0.0, 0.3], ids=["at once", "while connecting"])
def test_both_sockets_end_though_the_server_never_answers(mute: AlpacaAccess, pause: float) -> None:
    updates = Updates(mute, lambda _: None, lambda: None, lambda _: None)
    feed = Feed(mute, lambda _: None)
    updates.start()
    feed.subscribe(["KO"])
    threading.Event().wait(pause)
    updates.reconnect()
    updates.stop()
    feed.stop()
    assert not alive("alpaca-updates")
    assert not alive("alpaca-feed")
    updates.start()
    feed.subscribe(["AAPL"])
    assert not alive("alpaca-updates")
    assert not alive("alpaca-feed")
