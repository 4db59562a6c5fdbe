"""Requests made up by schemathesis from the published files never make the server fail."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.paper.servers import HEADERS, PaperServer

TRADING = "trading-api.mcp-88722ce.json"
DATA = "market-data-api.mcp-88722ce.json"
THOROUGH = os.environ.get("FILLWRIGHT_THOROUGH") == "1"
EXAMPLES = 200 if THOROUGH else 6
SERVED = {
    TRADING: ("/v2/account", "/v2/assets", "/v2/calendar", "/v2/clock", "/v2/orders", "/v2/pos"),
    DATA: ("/v2/stocks/",),
}
"""What the server has. Every other path of the files is one and the same 404."""


def operations(shared_dir: Path, name: str) -> list[Any]:
    """The operations of one file that the server has."""
    path = shared_dir / "alpaca" / "openapi" / name
    if not path.is_file():
        pytest.skip(f"shared data not present: {path}")
    schema = schemathesis.openapi.from_dict(json.loads(path.read_text(encoding="utf-8")))
    read: list[Any] = list(schema.get_all_operations())
    found = [each.ok() for each in read]
    return [each for each in found if each.path.startswith(SERVED[name])]


@pytest.mark.timeout(3600 if THOROUGH else 120)
@pytest.mark.parametrize(("name", "least"), [(TRADING, 20), (DATA, 8)])
def test_no_request_within_the_published_shapes_is_answered_with_5xx(
    server: PaperServer, shared_dir: Path, name: str, least: int
) -> None:
    answered: dict[int, int] = {}
    found = operations(shared_dir, name)
    assert len(found) >= least
    for operation in found:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
            derandomize=True,
        )
        @given(case=operation.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(
                base_url=server.urls["trading_url"], headers=HEADERS, session=server.session
            )
            answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
            assert answer.status_code < 500, (case.as_curl_command(), answer.text)

        ask()
    assert answered.get(200, 0) > 0, answered
