"""What a pack tells does not depend on what is in memory while it is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fillwright.adapters.handover import pack_places
from fillwright.adapters.handover.pack_documents import PackDocuments
from fillwright.adapters.storage.log import Log
from fillwright.domain.decision import TradeAction
from fillwright.domain.ports import NANOS
from fillwright.projections.audit_pack import Period
from tests.adapters.mirror.logs import Batch
from tests.projections.story import Story


def documents(folder: Path, story: Story, period: Period) -> dict[str, bytes]:
    """The documents of a pack of a story without records."""
    (folder / "records.jsonl").write_bytes(b"")
    with Log.open("memory:") as log, (folder / "events.jsonl").open("wb") as file:
        log.append(Batch(story.log))
        file.writelines(raw.as_line() for raw in log.raw_events())
    told = PackDocuments(folder / "events.jsonl", folder / "records.jsonl", period)
    return {name: b"".join(pieces) for name, pieces in told}


def test_a_late_fill_on_a_day_that_is_long_over_is_told_from_the_places_of_its_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story()
    story.open_session()
    buyer, seller = story.start(1000), story.start(1000, action=TradeAction.SELL)
    bought, sold = story.place(buyer, 100), story.place(seller, 100)
    at = story.now
    story.fill(buyer, bought, 100, venue_time=at)
    for days in (1, 2, 3):
        story.open_session(f"2013-10-{8 + days:02}", days=days)
        story.start(100)
    since = len(story.log) + 1
    story.fill(seller, sold, 100, venue_time=at + NANOS)
    # Of the period is the late fill alone; its instruction is told from its first event on.
    period = Period(since, len(story.log))
    whole = documents(tmp_path, story, period)
    monkeypatch.setattr(pack_places, "HELD_MAX", 2)
    assert documents(tmp_path, story, period) == whole
    (order,) = json.loads(whole["orders"])
    assert order["instruction"] == str(seller.id)
    assert order["history"][0]["event"] == "InstructionPlanned"
    (raised,) = json.loads(whole["exceptions"])
    assert raised["detail"].startswith("opposite_fills 1 times")
