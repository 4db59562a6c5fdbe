"""Answers have the published shapes, and no request makes the server fail."""

import json
from copy import deepcopy
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.paper.servers import PaperServer

TRADING = "trading-api.mcp-88722ce.json"
DATA = "market-data-api.mcp-88722ce.json"


def tolerant(node: Any) -> Any:
    """OpenAPI 3.0 says ``nullable`` where JSON Schema has a type of its own."""
    if isinstance(node, list):
        return [tolerant(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {name: tolerant(value) for name, value in node.items() if name != "nullable"}
    if not node.get("nullable"):
        return plain
    return {"anyOf": [plain, {"type": "null"}]}


class Spec:
    """One OpenAPI file."""

    def __init__(self, path: Path) -> None:
        self.content = tolerant(json.loads(path.read_text(encoding="utf-8")))

    def check(self, answer: Any, path: str, method: str = "get", status: str = "200") -> None:
        """Fail unless ``answer`` fits the schema of the operation's response."""
        response = self.content["paths"][path][method]["responses"][status]
        if "$ref" in response:
            response = self.content["components"]["responses"][response["$ref"].split("/")[-1]]
        schema = deepcopy(response["content"]["application/json"]["schema"])
        jsonschema.Draft202012Validator(
            {**schema, "components": self.content["components"]}
        ).validate(answer)


@pytest.fixture(scope="module")
def specs(shared_dir: Path) -> tuple[Spec, Spec]:
    folder = shared_dir / "alpaca" / "openapi"
    if not (folder / TRADING).is_file():
        pytest.skip(f"shared data not present: {folder}")
    return Spec(folder / TRADING), Spec(folder / DATA)


def test_trading_answers_have_the_published_shapes(
    server: PaperServer, specs: tuple[Spec, Spec]
) -> None:
    spec = specs[0]
    _, ask = server.quote("NVDA")
    sent = [
        server.submit(symbol="NVDA", qty="3"),
        server.submit(notional="30"),
        server.submit(type="limit", limit_price="30", extended_hours=True),
        server.submit(symbol="AAPL", type="trailing_stop", trail_percent="2"),
        server.submit(symbol="AAPL", type="stop_limit", stop_price="900", limit_price="901"),
        server.submit(
            symbol="MSFT",
            order_class="bracket",
            take_profit={"limit_price": "900"},
            stop_loss={"stop_price": "100", "limit_price": "99"},
        ),
    ]
    for order in sent:
        spec.check(order, "/v2/orders", "post")
    server.advance(60)
    new = server.raw.patch(f"/orders/{sent[2]['id']}", {"limit_price": "31"})
    spec.check(new, "/v2/orders/{order_id}", "patch")
    spec.check(server.raw.get("/orders", {"status": "all", "nested": True}), "/v2/orders")
    spec.check(server.order(sent[0]["id"]), "/v2/orders/{order_id}")
    for path in ("account", "account/configurations", "positions", "assets", "clock", "calendar"):
        spec.check(server.raw.get(f"/{path}"), f"/v2/{path}")
    spec.check(server.raw.get("/positions/NVDA"), "/v2/positions/{symbol_or_asset_id}")
    spec.check(server.raw.get("/assets/NVDA"), "/v2/assets/{symbol_or_asset_id}")
    spec.check(server.raw.get("/account/activities"), "/v2/account/activities")
    spec.check(server.raw.get("/account/portfolio/history"), "/v2/account/portfolio/history")
    closed = server.call("DELETE", "/v2/positions", params={"cancel_orders": "True"}).json()
    spec.check(closed, "/v2/positions", "delete", "207")
    assert ask > 0


def test_market_data_answers_have_the_published_shapes(
    server: PaperServer, specs: tuple[Spec, Spec]
) -> None:
    spec = specs[1]
    server.advance(60)
    for kind in ("bars", "quotes", "trades"):
        for path in (f"/v2/stocks/{kind}", f"/v2/stocks/{kind}/latest"):
            query = {"symbols": "AAPL,KO", "timeframe": "5Min", "limit": "7"}
            spec.check(server.call("GET", path, params=query).json(), path)
        for tail in (kind, f"{kind}/latest"):
            answer = server.call("GET", f"/v2/stocks/KO/{tail}", params={"limit": "7"}).json()
            spec.check(answer, f"/v2/stocks/{{symbol}}/{tail}")
    answer = server.call("GET", "/v2/stocks/snapshots", params={"symbols": "AAPL"}).json()
    spec.check(answer, "/v2/stocks/snapshots")
    one = server.call("GET", "/v2/stocks/KO/snapshot").json()
    spec.check(one, "/v2/stocks/{symbol}/snapshot")


def test_the_shape_of_an_order_is_the_recorded_one(server: PaperServer, shared_dir: Path) -> None:
    path = shared_dir / "alpaca" / "fixtures" / "recorded__paper_api_2026-10-08.json"
    if not path.is_file():
        pytest.skip(f"shared data not present: {path}")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert set(server.submit()) == set(content["buy_whole"]["submit"])
    server.advance(1)
    assert set(server.raw.get_account()) == set(content["account_before"])
    assert set(server.raw.get("/positions/KO")) == set(content["positions_held"][0])
    assert set(server.raw.get("/assets/KO")) == set(content["assets"][0])
    fill = server.raw.get("/account/activities/FILL")[0]
    assert set(fill) == set(content["fill_activities"][0])


TEXTS = (
    *("KO", "buy", "sell", "market", "limit", "stop", "day", "gtc", "fok", "bracket", "1", "-1"),
    *("0.1", "1e400", "NaN", "", "10", "60.5", "2024-06-12", "2024-06-12T14:00:00Z", "all"),
)
words = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=8),
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["limit_price", "stop_price"]), st.text(max_size=4)),
)
FIELDS = (
    *("symbol", "qty", "notional", "side", "type", "time_in_force", "limit_price", "stop_price"),
    *("trail_price", "trail_percent", "extended_hours", "client_order_id", "order_class"),
    *("take_profit", "stop_loss", "position_intent", "trail", "suspend_trade"),
)
PATHS = (
    *("/v2/orders", "/v2/account/activities", "/v2/account/portfolio/history", "/v2/calendar"),
    *("/v2/positions/KO", "/v2/stocks/bars", "/v2/stocks/KO/quotes", "/v2/stocks/snapshots"),
    *("/v2/assets/x", "/v2/orders/x", "/v2/clock", "/v2/account/configurations"),
)
QUERIES = (
    *("status", "limit", "after", "until", "direction", "nested", "symbols", "start", "end"),
    *("page_size", "page_token", "timeframe", "period", "date", "sort", "feed", "qty"),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(("GET", "POST", "PATCH", "DELETE")),
    st.sampled_from(PATHS),
    st.dictionaries(st.sampled_from(FIELDS), words, max_size=9),
    st.dictionaries(st.sampled_from(QUERIES), st.text(max_size=12) | st.sampled_from(["1", "-1"])),
)
def test_whatever_is_sent_the_server_does_not_fail(
    server: PaperServer, method: str, path: str, body: dict[str, Any], query: dict[str, str]
) -> None:
    sent = json.dumps(body).encode() if method in ("POST", "PATCH") else None
    answer = server.call(method, path, params=query, data=sent)
    assert answer.status_code < 500, answer.text
    assert Decimal(answer.headers["X-RateLimit-Limit"]) > 0
