"""What cost analysis takes from the log is what the log's own fold says, line by line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from fillwright.domain.decision import TradeAction
from fillwright.domain.instruments import Instrument
from fillwright.domain.ports import AccountKind, ReportKind
from fillwright.projections.tca.analysis import Analysis, analyse
from fillwright.projections.tca.log_rows import TcaRows
from fillwright.projections.tca.tables import Tables, from_rows
from tests.projections.story import D, Story

Row = dict[str, Any]


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    return told


def rows(story: Story) -> dict[str, list[Row]]:
    view: TcaRows = story.told_to(TcaRows())
    return view.rows()


def test_an_instruction_has_its_prices_and_times_and_its_place_in_the_log(story: Story) -> None:
    made = story.receive(action=TradeAction.SELL, mid="10.00")
    story.plan(made, 300)
    story.release(made, "9.98")
    order = story.place(made, 300)
    acknowledged_at = story.now
    story.report(made, order, ReportKind.NEW)
    story.fill(made, order, 100, "9.97", fee="0.25")
    story.cancel(made, order)
    story.finish(made)
    found = rows(story)
    (row,) = found["instructions"]
    assert (row["side"], row["quantity"], row["state"]) == (-1, D(300), "cancelled")
    assert (row["decision_price"], row["arrival_price"]) == (D("10.00"), D("10.00"))
    assert (row["release_price"], row["fees"]) == (D("9.98"), D(0))
    assert row["arrival_at"] == made.received_at < row["release_at"] < row["end_at"]
    assert row["last_position"] == len(story.log)
    (child,) = found["orders"]
    assert (child["order_id"], child["received_at"]) == (order, acknowledged_at)
    assert child["placed_at"] <= child["received_at"] < child["ended_at"]
    (fill,) = found["fills"]
    assert (fill["quantity"], fill["price"], fill["fee"]) == (D(100), D("9.97"), D("0.25"))
    (position,) = fill["positions"]
    assert story.log[position - 1].event.report.execution_id == fill["fill_id"]


def test_a_bust_takes_the_fill_away_and_leaves_its_fee_with_the_instruction(story: Story) -> None:
    made = story.start(200)
    order = story.place(made, 200)
    busted = story.fill(made, order, 100, "10.01", fee="0.30")
    kept = story.fill(made, order, 100, "10.02", fee="0.40")
    story.bust(made, order, busted)
    found = rows(story)
    assert [fill["fill_id"] for fill in found["fills"]] == [kept]
    charged = found["instructions"][0]["fees"] + found["fills"][0]["fee"]
    assert charged == made.fees == D("0.70")


def test_a_correction_gives_the_corrected_terms_and_names_both_events(story: Story) -> None:
    made = story.start(100)
    order = story.place(made, 100)
    name = story.fill(made, order, 100, "10.01")
    story.report(
        made,
        order,
        ReportKind.TRADE_CORRECT,
        execution_id="corrected",
        ref_execution_id=name,
        last_qty=D(100),
        last_price=D("10.05"),
    )
    (fill,) = rows(story)["fills"]
    assert (fill["quantity"], fill["price"]) == (D(100), D("10.05"))
    kinds = [story.log[at - 1].event.report.kind for at in fill["positions"]]
    assert kinds == [ReportKind.TRADE, ReportKind.TRADE_CORRECT]


def test_what_was_never_planned_has_no_row(story: Story) -> None:
    story.refuse(story.receive())
    story.nothing(story.receive())
    found = rows(story)
    assert not found["instructions"]
    assert not found["orders"]


def test_sums_over_rows_are_those_of_the_instruction(story: Story) -> None:
    made = story.start(500)
    first, second = story.place(made, 200), story.place(made, 300)
    story.fill(made, first, 150, "10.01", fee="0.1")
    story.fill(made, second, 120, "10.03", fee="0.2")
    story.fill(made, second, 80, "10.02")
    fills = rows(story)["fills"]
    assert sum(fill["quantity"] for fill in fills) == made.executed
    assert sum(fill["quantity"] * fill["price"] for fill in fills) == made.notional
    assert sum((fill["fee"] for fill in fills), Decimal(0)) == made.fees


def of_currencies(story: Story, account: str | None, asset: str | None) -> Analysis:
    """A story of one filled order, in an account and of an asset with these currencies."""
    story.account.record_status(
        story.stamp(),
        account=story.name,
        session_date=story.date,
        kind=AccountKind.MARGIN,
        multiplier=D(2),
        settles_on="2013-10-11",
        settlement_days=3,
        source="broker",
        currency=account,
    )
    named = Instrument(broker="alpaca", asset_id="b0b6dd9d", symbol="BAC", currency=asset)
    story.account.record_instrument(story.stamp(), story.name, story.date, named)
    story.take(story.account)
    made = story.start(100)
    story.fill(made, story.place(made, 100), 100, "10.01", fee="0.35")
    return analyse(Tables.of(**{name: from_rows(name, each) for name, each in rows(story).items()}))


def test_an_own_log_names_the_currency_of_its_account(story: Story) -> None:
    found = of_currencies(story, "USD", "USD")
    assert found.instructions["currency"].to_list() == ["USD"]
    assert "currency_mix" not in found.problems["problem"].to_list()
    assert found.instructions["fees"].to_list() == [D("0.35")]


def test_an_asset_in_another_currency_than_its_account_is_a_mix(story: Story) -> None:
    found = of_currencies(story, "EUR", "USD")
    problems = found.problems.filter(pl.col("problem") == "currency_mix")
    assert problems.height == 1
    (row,) = found.instructions.iter_rows(named=True)
    assert row["executed"] == 100
    assert row["shortfall"] is row["notional"] is row["fees"] is None


def test_where_nothing_names_a_currency_there_is_no_mix(story: Story) -> None:
    found = of_currencies(story, None, None)
    assert found.instructions["currency"].to_list() == [None]
    assert found.instructions["shortfall"].null_count() == 0
