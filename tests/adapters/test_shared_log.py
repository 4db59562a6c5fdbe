"""Two applications that own an account each, at the same time, on one log on a server."""

from __future__ import annotations

import asyncio

from fillwright.adapters.application import Application
from fillwright.adapters.storage.log import Log
from fillwright.domain import events as e
from fillwright.domain.ids import instruction_id
from fillwright.projections.blotter import Blotter
from fillwright.projections.daily_limits import DailyLimits
from fillwright.projections.reconciliation import Reconciliation
from fillwright.projections.runner import follow
from tests.adapters.application_cases import buy, steady_provider
from tests.postgres import PostgresServer

ROUNDS = 3


def test_what_the_other_appends_shifts_no_position_that_an_engine_names(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    """Reports, rows of the blotter and the head bind to the log's own positions, whoever wrote."""

    def opened(account: str) -> Application:
        store = postgres_url.replace("fillwright.pg", f"{account}.pg")
        return Application.open(steady_provider(), {"account": account}, store=store)

    async def trade() -> dict[str, tuple[int, str]]:
        async with opened("a") as one, opened("b") as other:
            for number in range(ROUNDS):
                for name, app in (("a", one), ("b", other)):
                    app.report()  # what is kept of the log so far has to be brought up later
                    done = await app.execute(buy(decision_id=f"{name}-{number}", weight=number + 1))
                    assert done.result.executed_quantity > 0
            told = {}
            for name, app in (("a", one), ("b", other)):
                report = app.report()
                told[name] = (report.log.last_position, report.log.head_hash)
                assert report.totals.filled == 2 * ROUNDS
                alerts = [alert.message for alert in app.alerts_now()]
                assert not any("disagree" in message for message in alerts), alerts
            return told

    told = asyncio.run(trade())
    with Log.open(postgres_url, writer=False) as log:
        hashes = dict(log.hashes())
        for position, hash in told.values():
            assert hash == hashes[position].hex()
        views = (Blotter(), DailyLimits(), Reconciliation())
        follow(views, log.events())
        owner = {r.event.originator_id: r.position for r in reversed(list(log.events()))}
        for account in "ab":
            for number in range(ROUNDS):
                id = instruction_id(account, f"{account}-{number}")
                assert views[0].instructions()[id].first_position == owner[id]
        stored = {key: used for key, used in log.counters().items() if used}
        assert stored == views[1].counters()
        starts = [r for r in log.events() if isinstance(r.event, e.EngineStarted)]
        assert [r.event.originator_version for r in starts] == [1, 1]
        assert log.verify().ok
