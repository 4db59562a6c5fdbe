"""Rate limit, and what goes wrong on request between the broker and its client."""

import time

import pytest
import requests

from tests.paper.servers import HEADERS, PaperServer, running

ORDER = {"symbol": "KO", "qty": "1", "side": "buy", "type": "limit", "limit_price": "30"}
BODY = ORDER | {"time_in_force": "day"}


def test_every_answer_says_what_is_left_of_the_rate_limit() -> None:
    with running(rate_limit=5) as server:
        seen = [server.call("GET", "/v2/clock") for _ in range(7)]
        if {answer.headers["X-RateLimit-Reset"] for answer in seen} != {
            seen[0].headers["X-RateLimit-Reset"]
        }:
            seen = [server.call("GET", "/v2/clock") for _ in range(7)]
        assert [answer.status_code for answer in seen] == [200] * 5 + [429] * 2
        left = [answer.headers["X-RateLimit-Remaining"] for answer in seen]
        assert left == ["4", "3", "2", "1", "0", "0", "0"]
        assert {answer.headers["X-RateLimit-Limit"] for answer in seen} == {"5"}
        assert 0 <= int(seen[0].headers["X-RateLimit-Reset"]) - time.time() <= 61
        data = server.call("GET", "/v2/stocks/quotes/latest", params={"symbols": "KO"})
        assert data.status_code == 200


def test_the_default_limit_is_alpaca_s(server: PaperServer) -> None:
    from fillwright.adapters.paper.options import PaperOptions

    assert PaperOptions("k", "s").rate_limit == 200
    assert "X-RateLimit-Limit" in server.call("GET", "/v2/clock").headers


@pytest.mark.parametrize(("fault", "taken"), [("error_before", False), ("error_after", True)])
def test_a_server_error_strikes_before_or_after_acceptance(
    server: PaperServer, fault: str, taken: bool
) -> None:
    server.fault(fault=fault, status=504, count=1, method="POST", path="/v2/orders")
    name = f"through-{fault}"
    answer = server.call("POST", "/v2/orders", json=BODY | {"client_order_id": name})
    assert answer.status_code == 504
    found = server.call("GET", f"/v2/orders:by_client_order_id?client_order_id={name}")
    assert found.status_code == (200 if taken else 404)
    again = server.call("POST", "/v2/orders", json=BODY | {"client_order_id": name})
    assert again.status_code == (422 if taken else 200)


@pytest.mark.parametrize(("fault", "taken"), [("drop_before", False), ("drop_after", True)])
def test_a_connection_breaks_before_or_after_acceptance(
    server: PaperServer, fault: str, taken: bool
) -> None:
    server.fault(fault=fault, count=1, method="POST")
    name = f"through-{fault}"
    with pytest.raises(requests.RequestException):
        server.call("POST", "/v2/orders", json=BODY | {"client_order_id": name})
    found = server.call("GET", f"/v2/orders:by_client_order_id?client_order_id={name}")
    assert found.status_code == (200 if taken else 404)


def test_answers_are_late_before_or_after_acceptance(server: PaperServer) -> None:
    for fault in ("latency", "latency_after"):
        server.fault(fault=fault, milliseconds=200, count=1, method="GET")
        begun = time.monotonic()
        assert server.call("GET", "/v2/clock").status_code == 200
        assert time.monotonic() - begun >= 0.2


def test_a_timeout_can_hide_an_accepted_order(server: PaperServer) -> None:
    server.fault(fault="latency_after", milliseconds=1_000, count=1, method="POST")
    url = server.urls["trading_url"] + "/v2/orders"
    with pytest.raises(requests.Timeout):
        requests.post(url, json=BODY | {"client_order_id": "late"}, headers=HEADERS, timeout=0.3)
    found = server.call("GET", "/v2/orders:by_client_order_id?client_order_id=late")
    assert found.status_code == 200


def test_429_can_be_asked_for(server: PaperServer) -> None:
    server.fault(fault="rate_limit", count=2, path="/v2/account")
    seen = [server.call("GET", "/v2/account").status_code for _ in range(3)]
    assert seen == [429, 429, 200]


def test_an_order_is_rejected_after_it_was_taken(server: PaperServer) -> None:
    server.fault(fault="reject", count=1, symbol="KO")
    order = server.worked(server.submit()["id"])
    assert order["status"] == "rejected"
    assert order["failed_at"] is not None
    assert server.worked(server.submit()["id"])["status"] == "filled"


def test_an_order_is_filled_in_parts(server: PaperServer) -> None:
    server.fault(fault="partial", count=1, fraction=0.3, seconds=60)
    order = server.worked(server.submit(symbol="AAPL")["id"])
    assert (order["status"], order["filled_qty"]) == ("partially_filled", "3")
    order = server.worked(order["id"], 61)
    assert (order["status"], order["filled_qty"]) == ("filled", "10")


def test_rules_have_counts_skips_and_seeded_chances(server: PaperServer) -> None:
    server.fault(fault="error_before", status=500, skip=1, count=1, path="/v2/clock")
    seen = [server.call("GET", "/v2/clock").status_code for _ in range(4)]
    assert seen == [200, 500, 200, 200]
    (rule,) = server.call("GET", "/fillwright/faults").json()
    assert (rule["chances"], rule["strikes"]) == (4, 1)


@pytest.mark.parametrize(
    "rules",
    [
        [{"fault": "nonsense"}],
        [{"fault": "latency", "probability": 2}],
        [{"fault": "latency", "unknown": 1}],
        [{"fault": "halt"}],
        [{"fault": "halt", "symbol": "NOPE"}],
        "text",
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_allowed(server: PaperServer, rules: object) -> None:
    answer = server.call("POST", "/fillwright/faults", json=rules)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_control_paths_need_the_keys(server: PaperServer) -> None:
    url = server.urls["trading_url"] + "/fillwright/faults"
    assert requests.get(url, timeout=20).status_code == 401
