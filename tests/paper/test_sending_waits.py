"""Orders wait for the socket of trade updates; one that is late is never called rejected."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from fillwright.adapters.alpaca_api.access import AlpacaAccess
from fillwright.adapters.alpaca_provider import AlpacaProvider
from fillwright.domain.ports import (
    ExecutionReport,
    OrderRequest,
    OrderType,
    ReportKind,
    Side,
    SubmitOrder,
    TimeInForce,
)
from tests.paper.servers import KEY, SECRET, PaperServer, eventually


class Wire:
    """Leads from a port of its own to the server's, once it is joined; cut, nobody answers."""

    def __init__(self, server: PaperServer) -> None:
        parts = urlsplit(server.urls["stream_url"])
        self._to = (str(parts.hostname), int(parts.port or 0))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self._open: list[socket.socket] = []
        self._is_severed = False

    def join(self) -> None:
        """Let connections through from now on; the one that waits already is the first."""
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End what is connected, and take nobody any more."""
        self._listener.close()
        for one in self._open:
            one.close()

    def sever(self) -> None:
        """End what is connected, and whatever connects until it is mended."""
        self._is_severed = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Let connections through again."""
        self._is_severed = False

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listener.accept()
            except OSError:
                return
            if self._is_severed:
                ours.close()
                continue
            theirs = socket.create_connection(self._to)
            self._open += [ours, theirs]
            for pair in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_pass_on, args=pair, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
    except OSError:
        pass


@pytest.fixture
def wire(server: PaperServer) -> Iterator[Wire]:
    made = Wire(server)
    yield made
    made.cut()


def connected(server: PaperServer, wire: Wire | None, patience: float) -> AlpacaProvider:
    access = AlpacaAccess(
        SecretStr(KEY),
        SecretStr(SECRET),
        trading_url=server.urls["trading_url"],
        stream_url="" if wire is None else wire.url,
        read_seconds=patience,
    )
    provider = AlpacaProvider(access)
    provider.broker.start()
    return provider


def order(name: str, price: Decimal = Decimal("1.00")) -> SubmitOrder:
    return SubmitOrder(
        OrderRequest(
            client_order_id=name,
            symbol="KO",
            side=Side.BUY,
            quantity=Decimal(1),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.DAY,
            limit_price=price,
        )
    )


def names(server: PaperServer) -> set[str]:
    rows = server.call("GET", "/v2/orders", params={"status": "all"}).json()
    return {row["client_order_id"] for row in rows}


def test_an_order_goes_out_when_the_socket_listens_and_not_before(
    server: PaperServer, wire: Wire
) -> None:
    provider = connected(server, wire, patience=15)
    try:
        asyncio.run(provider.broker.send([order("waits-1")]))
        assert not provider.broker.is_connected.wait(0.5)
        assert "waits-1" not in names(server)
        wire.join()
        eventually(lambda: "waits-1" in names(server))
        assert provider.broker.is_connected.is_set()
        assert not provider.broker.is_deaf
        kinds = {report.kind for report in eventually(provider.broker.drain)}
        assert kinds <= {ReportKind.ACCEPTED, ReportKind.NEW, ReportKind.PENDING_NEW}
    finally:
        provider.close()


def test_an_order_is_kept_back_where_the_socket_stays_down(server: PaperServer, wire: Wire) -> None:
    provider = connected(server, wire, patience=0.4)
    try:
        asyncio.run(provider.broker.send([order("kept-1")]))
        (report,) = eventually(provider.broker.drain)
        assert report.kind is ReportKind.REJECTED
        assert report.text == "not sent: the socket of trade updates is down"
        assert "kept-1" not in names(server)
    finally:
        provider.close()


def test_an_order_that_fills_while_its_answer_is_late_is_unknown_and_then_filled(
    server: PaperServer,
) -> None:
    """Neither a timeout nor a missing acknowledgement says that an order was refused."""
    server.fault(fault="latency_after", method="POST", path="/v2/orders", milliseconds=1_500)
    provider = connected(server, None, patience=0.4)
    broker = provider.broker
    try:
        assert broker.is_connected.wait(10)
        asyncio.run(broker.send([order("late-1", server.quote("KO")[1])]))
        told: list[ExecutionReport] = []
        eventually(lambda: told.extend(broker.drain()) or any(r.text for r in told))
        (unknown,) = [r for r in told if r.kind is ReportKind.UNKNOWN_OUTCOME]
        assert "ReadTimeout" in str(unknown.text)
        server.advance(1)
        told += asyncio.run(broker.reports_since(["late-1"]))
        kinds = {report.kind for report in [*told, *broker.drain()]}
        assert ReportKind.REJECTED not in kinds
        assert ReportKind.TRADE in kinds
        found = asyncio.run(broker.find_order("late-1"))
        assert found is not None
        assert (found.status, found.filled_qty) == ("filled", 1)
    finally:
        provider.close()
