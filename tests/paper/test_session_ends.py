"""Opening and closing auctions, what the close does to orders, and orders outside the session."""

from pathlib import Path

import pytest

from fillwright.adapters.entrypoints.cli import main
from fillwright.adapters.market_data.generated import GeneratedMarket
from tests.paper.servers import PaperServer, running

HOURS = 3_600


def test_the_close_ends_day_orders_and_fills_the_closing_auction() -> None:
    with running() as server:
        orders = {
            "day": server.submit(type="limit", limit_price="30"),
            "gtc": server.submit(type="limit", limit_price="30", time_in_force="gtc"),
            "extended": server.submit(type="limit", limit_price="30", extended_hours=True),
            "stop": server.submit(symbol="AAPL", type="stop", stop_price="900"),
            "cls": server.submit(symbol="SPY", time_in_force="cls"),
            "far": server.submit(
                symbol="SPY", type="limit", limit_price="100", time_in_force="cls"
            ),
        }
        server.advance(6 * HOURS)
        assert ends(server, orders) == {
            "day": "expired",
            "gtc": "new",
            "extended": "new",
            "stop": "expired",
            "cls": "filled",
            "far": "canceled",
        }
        assert server.trading.get_clock().is_open is False
        late = server.submit(qty="1")
        assert late["status"] == "accepted"
        assert late["expires_at"] == "2024-06-13T20:00:00Z"
        server.advance(5 * HOURS)
        assert ends(server, orders)["extended"] == "expired"
        assert ends(server, orders)["gtc"] == "new"


def test_before_the_open_orders_wait_and_the_opening_auction_fills() -> None:
    with running(start="09:00") as server:
        clock = server.trading.get_clock()
        assert clock.is_open is False
        assert clock.next_open.isoformat() == "2024-06-12T09:30:00-04:00"
        orders = {
            "early": server.submit(qty="5"),
            "opg": server.submit(symbol="SPY", time_in_force="opg"),
            "rest": server.submit(type="limit", limit_price="30"),
        }
        assert set(ends(server, orders).values()) == {"accepted"}
        server.advance(HOURS / 2 + 5)
        assert ends(server, orders) == {"early": "filled", "opg": "filled", "rest": "new"}


def ends(server: PaperServer, orders: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: server.order(order["id"])["status"] for name, order in orders.items()}


def test_the_command_says_what_is_wrong_with_its_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = tmp_path / "faults.json"
    rules.write_text('[{"fault": "nonsense"}]', encoding="utf-8")
    generated = ["--generated", "--session", "20240612"]
    wrong: list[tuple[str, list[str]]] = [
        ("speed", [*generated, "--speed", "0"]),
        ("session", ["--generated", "--session", "20240615"]),
        ("market", ["--market", str(tmp_path), "--session", "20240612"]),
        ("faults", [*generated, "--faults", str(rules)]),
        ("start", [*generated, "--start", "late"]),
    ]
    for name, options in wrong:
        assert main(["paper", *options]) == 2
        assert name in capsys.readouterr().err


def test_a_recorded_day_is_traded_from_its_open(tmp_path: Path) -> None:
    folder = GeneratedMarket(8, "20240613").write_folder(tmp_path / "market")
    account = tmp_path / "account.json"
    account.write_text('{"cash": 5000, "positions": {"KO": 100}}', encoding="utf-8")
    with running(market=folder, session="2024-06-13", speed=50, account=account) as server:
        clock = server.trading.get_clock()
        assert clock.is_open
        assert clock.next_close.isoformat() == "2024-06-13T16:00:00-04:00"
        assert server.trading.get_open_position("KO").qty == "100"
        order = server.submit(side="sell", qty="100")
        assert server.worked(order["id"], 5)["status"] == "filled"
        assert server.trading.get_all_positions() == []
