"""Opening and closing auctions, what the close does to orders, and orders outside the session."""

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
