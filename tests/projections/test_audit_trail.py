"""The audit trail tells the story of an instruction in order, with who and why."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from fillwright.domain import events as e
from fillwright.domain.events import CATALOGUE
from fillwright.domain.reasons import EndReason
from fillwright.projections.audit_trail import audit_trail, clock_text
from fillwright.projections.audit_words import _WORDS
from fillwright.projections.runner import ProjectionStopped, Recorded
from tests.projections.story import OPEN, D, Story


@pytest.fixture
def story() -> Story:
    told = Story()
    told.open_session()
    made = told.start(100)
    order = told.place(made, 60)
    told.fill(made, order, 60, "10.01", fee="0.20")
    told.cancel(made, told.place(made, 40))
    told.finish(made, EndReason.SLIPPAGE_BOUND)
    return told


def test_every_event_is_told_in_order(story: Story) -> None:
    trail = audit_trail(story.log[1:])
    assert [entry.what.split(":")[0] for entry in trail] == [
        "decision d1 received",
        "planned",
        "work begins",
        "order 0 decided",
        "broker reports trade for " + story_order(story, 0),
        "order 1 decided",
        "cancel decided for " + story_order(story, 1),
        "broker reports canceled for " + story_order(story, 1),
        "ended with 60 executed",
    ]
    assert [entry.position for entry in trail] == list(range(2, 11))


def test_an_average_price_is_told_to_a_hundredth_of_a_cent() -> None:
    told = Story()
    told.open_session()
    made = told.start(3)
    told.fill(made, told.place(made, 1), 1, "10.01")
    told.fill(made, told.place(made, 2), 2, "10.02")
    assert audit_trail(told.log)[-1].what == "filled: 3 at 10.0167 on average"


def story_order(story: Story, ordinal: int) -> str:
    intended = [r.event for r in story.log if isinstance(r.event, e.OrderIntended)]
    return intended[ordinal].client_order_id


def test_an_action_tells_its_rule_and_what_it_was_decided_from(story: Story) -> None:
    placed = audit_trail(story.log)[4]
    assert placed.why == "slice_due"
    seen = dict(placed.observed)
    assert (seen["bid"], seen["ask"]) == ("9.99", "10.01")
    assert seen["strategy"] == "twap version 1"
    assert placed.who == "engine:test"


def test_a_time_is_given_at_the_exchange_and_in_utc(story: Story) -> None:
    opened = audit_trail(story.log)[0]
    assert opened.at_utc == "2013-10-08 13:30:01.000000000 UTC"
    assert opened.at_exchange == "2013-10-08 09:30:01.000000000 EDT"
    assert clock_text(OPEN + 7, ZoneInfo("Europe/Berlin")).startswith(
        "2013-10-08 15:30:00.000000007"
    )


def test_the_end_tells_its_reason(story: Story) -> None:
    assert audit_trail(story.log)[-1].why == "slippage_bound"


def test_personal_text_is_sealed_unless_it_can_be_unsealed(story: Story) -> None:
    (received,) = (r for r in story.log if isinstance(r.event, e.DecisionReceived))
    asked: list[tuple[str, str, str]] = []

    def unseal(subject: str, sealed: str, context: str) -> str:
        asked.append((subject, sealed, context))
        return "strong momentum"

    assert audit_trail([received])[0].text == "[sealed]"
    assert audit_trail([received], unseal=unseal)[0].text == "strong momentum"
    assert asked == [("pm", "sealed", str(received.event.originator_id))]
    assert audit_trail([received], unseal=lambda *_: None)[0].text == "[redacted]"
    assert all(entry.text is None for entry in audit_trail(story.log[2:]))


def test_refused_checks_are_told_with_what_was_seen(story: Story) -> None:
    story.refuse(story.receive())
    refused = audit_trail(story.log)[-1]
    assert refused.why == "daily_trades: too many"
    assert refused.observed[0] == ("daily_trades (x)", "observed 51, allowed 50")


def test_the_account_is_told_too(story: Story) -> None:
    story.set_limits()
    story.kill()
    story.revive()
    story.reconcile(e.Break(kind="order", ours="open", theirs="gone"))
    story.nothing(story.receive(mid=None))
    story.close_session()
    told = [entry.what for entry in audit_trail(story.log[-7:])]
    assert told == [
        "limits version 1 in force",
        "kill switch engaged for account",
        "kill switch released for account",
        "compared 3 orders and 5 fills: 1 breaks",
        "decision d2 received: BUY BAC to 1 % of equity",
        "nothing to do (NO_CHANGE)",
        "session 2013-10-08 closed for paper-1",
    ]


def test_every_event_of_the_catalogue_can_be_told() -> None:
    assert set(CATALOGUE.values()) - _WORDS.keys() == set()


def test_an_unknown_event_stops_the_story(story: Story) -> None:
    class Untold(e.DomainEvent):
        """An event of a later version."""

    first = story.log[0].event
    event = Untold(
        originator_id=first.originator_id,
        originator_version=9,
        record_time=0,
        actor="a",
        correlation_id="c",
        causation_id="c",
    )
    with pytest.raises(ProjectionStopped, match="Untold is not known here"):
        audit_trail([Recorded(1, event)])


def test_the_switch_of_a_strategy_tells_what_was_seen(story: Story) -> None:
    made = story.start(100)
    assert made.plan is not None
    made.switch(
        story.stamp(), made.plan, rule="spread_widened", observed="30 bps", threshold="20 bps"
    )
    made.suspend(story.stamp(), "halt")
    made.resume(story.stamp())
    made.escalate(story.stamp(), D("10.20"))
    story.take(made)
    switched, suspended, resumed, escalated = audit_trail(story.log[-4:])
    assert switched.why == "spread_widened"
    assert switched.observed[:2] == (("observed", "30 bps"), ("threshold", "20 bps"))
    assert suspended.why == "halt"
    assert resumed.what == "resumed"
    assert dict(escalated.observed)["completing price"] == "10.2"
