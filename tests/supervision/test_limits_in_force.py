"""Limits in force come from the log; configuration at start may only tighten them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fillwright.adapters.storage.log import Log
from fillwright.adapters.supervision.permissions import admit_engine
from fillwright.adapters.supervision.supervising import Caller, Supervisor
from fillwright.domain import events as e
from fillwright.domain.limits import Limits
from fillwright.domain.ports import NANOS
from fillwright.domain.principals import AccessDenied
from fillwright.domain.tightening import (
    LESS_IS_TIGHTER,
    MORE_IS_TIGHTER,
    configured_limits,
    loosened,
    same_limits,
    tighter,
)
from tests.adapters.entrypoints.conftest import EXAMPLES, GENERATED, Cli
from tests.supervision.conftest import House, token

DECISIONS = EXAMPLES / "portfolio_generated.json"


@pytest.mark.parametrize(("configured", "in_force"), [(500, 50), (3, 3)])
def test_a_first_session_of_a_supervised_store_begins_no_wider_than_the_built_in_limits(
    configured: int, in_force: int, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path, cli, monkeypatch.setenv)
    Log.open(str(house.store)).close()
    house.set_up()
    monkeypatch.setenv("FILLWRIGHT_LIMITS__TRADES_MAX_PER_DAY", str(configured))
    row = tmp_path / "one.jsonl"
    row.write_text(
        '{"decision_id": "a", "symbol": "KO", "action": "BUY", "target_weight": 1, '
        '"confidence": 8, "strategy": "market"}'
    )
    assert house.by("eve", "run", row, *GENERATED).code == 6
    assert house.by("pm-7", "run", row, *GENERATED, "--live").code == 6
    done = house.by("pm-7", "run", row, *GENERATED)
    assert done.code == 0, done.err
    with Log.open(str(house.store), writer=False) as log:
        found = [r.event.limits for r in log.events() if isinstance(r.event, e.LimitChanged)]
    assert [one.trades_max_per_day for one in found] == [in_force]


def test_every_limit_has_a_tighter_side() -> None:
    assert LESS_IS_TIGHTER | MORE_IS_TIGHTER | {"version", "restricted"} == set(Limits.model_fields)


def some_limits() -> st.SearchStrategy[Limits]:
    return st.builds(
        Limits,
        trades_max_per_day=st.integers(0, 5),
        turnover_pct_max=st.sampled_from([Decimal(0), Decimal(25), Decimal("25.0"), Decimal(40)]),
        closing_buffer_seconds=st.integers(0, 3),
        allow_short=st.booleans(),
        adv_required=st.booleans(),
        restricted=st.lists(st.sampled_from(["IBM", "KO", "BAC"]), unique=True).map(tuple),
    )


@given(one=some_limits(), other=some_limits())
def test_the_tighter_of_two_loosens_neither_and_a_configuration_never_widens(
    one: Limits, other: Limits
) -> None:
    least = tighter(one, other)
    assert not loosened(one, least)
    assert not loosened(other, least)
    assert same_limits(least, tighter(other, one))
    begun = configured_limits(one, other)
    assert not loosened(one, begun)
    assert begun == one or begun.version == one.version + 1


class At:
    """A clock that stands where it is put."""

    def __init__(self, now: int) -> None:
        self.at = now

    rate = 1.0

    def now(self) -> int:
        return self.at


@pytest.mark.on_a_server
def test_live_takes_a_permission_in_force_for_this_account_and_now(house: House) -> None:
    house.set_up()
    store, rob = str(house.store), Caller.with_token(token("rob"))
    with pytest.raises(AccessDenied, match="no approved change of kind live"):
        admit_engine(store, "main", is_live=True, caller=rob)
    admit_engine(store, "main", is_live=False, caller=rob)
    change = house.propose("rob", "live", "--valid-hours", "2")
    with pytest.raises(AccessDenied, match="no approved change of kind live"):
        admit_engine(store, "main", is_live=True, caller=rob)
    assert house.approve("kim", change).code == 0
    admit_engine(store, "main", is_live=True, caller=rob)
    admit_engine(store, "main", is_live=True, caller=rob)  # it stands
    with pytest.raises(AccessDenied, match="no approved change of kind live"):
        admit_engine(store, "other", is_live=True, caller=rob)
    with pytest.raises(AccessDenied, match="it takes the role trade"):
        admit_engine(store, "main", is_live=True, caller=Caller.with_token(token("pm-7")))
    taken_back = house.by("kim", "changes", "reject", change, "--reason", "enough for today")
    assert taken_back.code == 0
    with pytest.raises(AccessDenied, match="no approved change of kind live"):
        admit_engine(store, "main", is_live=True, caller=rob)


def test_an_approval_ends_with_its_time_and_a_clock_set_back_revives_nothing(house: House) -> None:
    house.set_up()
    change = house.propose("rob", "live", "--valid-hours", "2")
    assert house.approve("kim", change).code == 0
    with Supervisor(str(house.store), Caller.with_token(token("rob"))) as supervisor:
        expires = supervisor.state.change(change).proposed.expires_at
        made = supervisor.state.change(change)
        assert supervisor.state.why_unusable(made, expires - 1) is None
        assert supervisor.state.why_unusable(made, expires) is not None
    late = Supervisor(str(house.store), Caller.with_token(token("eve")), At(expires + NANOS))
    with late, pytest.raises(AccessDenied):
        late.require("redact")  # a record behind the expiry
    back = Supervisor(str(house.store), Caller.with_token(token("rob")), At(expires - 3600 * NANOS))
    with back:
        assert back.now == expires + NANOS
        assert back.state.why_unusable(back.state.change(change), back.now) is not None
