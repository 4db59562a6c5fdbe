"""Alerts are on record, raised and cleared once each, and told over real sockets."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fillwright.adapters.alerting.channels import (
    AppriseChannel,
    Channel,
    Notice,
    WebhookChannel,
    channels_of,
)
from fillwright.adapters.alerting.courier import Courier, try_channel
from fillwright.adapters.alerting.terms import AlertSettings
from fillwright.adapters.alerting.watch import AlertService, AlertWatch, LogView
from fillwright.adapters.engine.recordings import Recordings
from fillwright.adapters.killing import KillSwitch
from fillwright.adapters.settings import Settings
from fillwright.adapters.storage.log import Log
from fillwright.adapters.storage.ops_log import OpsLog
from fillwright.domain import ops
from fillwright.domain.errors import InvalidInput, StoreError
from fillwright.projections.alert_book import AlertBook, Occurrence
from fillwright.projections.alerts import Alert, AlertKind, Severity, stopped_alert
from tests.adapters.mirror.logs import Batch
from tests.ops.engines import command_here
from tests.ops.hooks import Hook, hooked
from tests.paper.servers import eventually
from tests.projections.story import Story
from tests.simulation.world import Scene, at, decision, run

SECOND = 1_000_000_000
QUICK = {"look_seconds": 0.05, "clear_after_seconds": 0}


@pytest.fixture
def hook() -> Iterator[Hook]:
    with hooked() as made:
        yield made


@pytest.fixture
def store(tmp_path: Path) -> str:
    path = tmp_path / "log.db"
    run(Scene([decision("market")]), path)
    return str(path)


def settings(**more: Any) -> AlertSettings:
    return AlertSettings.model_validate(QUICK | more)


def service(store: str, given: AlertSettings) -> AlertService:
    return AlertService(store, given, lambda view: view.last_at)


def on_record(store: str) -> list[Occurrence]:
    book = AlertBook()
    with OpsLog.open(store, writer=False) as second:
        for recorded in second.records():
            book.apply(recorded.position, recorded.record)
        assert second.verify().ok
    return list(book.occurrences())


def kill(store: str, scope: str = "account") -> None:
    asyncio.run(KillSwitch(store, "sim").kill(scope, "drill", "person:ann", None))


def release(store: str, scope: str = "account") -> None:
    asyncio.run(KillSwitch(store, "sim").release(scope, "drill over", "ann", None))


def test_raised_once_told_once_cleared_once_and_all_of_it_is_on_record(
    hook: Hook, store: str
) -> None:
    given = settings(webhook_url=hook.url)
    with Log.open(store, writer=False) as log:
        before = log.head().position
    watch = service(store, given)
    watch.start()
    kill(store)
    eventually(lambda: hook.got)
    watch.stop()
    (raised,) = hook.got
    assert (raised["change"], raised["kind"], raised["severity"]) == (
        "raised",
        "kill_switch",
        "critical",
    )
    assert "trading is blocked for account: drill" in raised["message"]

    again = service(store, given)  # as after a restart: it goes on and is not told again
    again.start()
    eventually(lambda: again._watch.view.book.position > before)
    again.stop()
    assert len(hook.got) == 1

    release(store)
    last = service(store, given)
    last.start()
    eventually(lambda: len(hook.got) == 2)
    last.stop()
    assert hook.got[1]["change"] == "cleared"
    (occurrence,) = on_record(store)
    assert occurrence.raised.log_position == before + 1
    assert occurrence.cleared is not None
    assert {key: told.delivered for key, told in occurrence.notices.items()} == {
        ("raised", "webhook"): True,
        ("cleared", "webhook"): True,
    }
    with Log.open(store, writer=False) as log:
        assert log.head().position == before + 2  # the block and its release; alerts moved nothing

    kill(store)  # what comes again is another alert
    anew = service(store, given)
    anew.start()
    eventually(lambda: len(hook.got) == 3)
    anew.stop()
    assert [one.is_active for one in on_record(store)] == [False, True]


def test_what_hovers_about_its_threshold_is_one_alert(store: str) -> None:
    given = settings(clear_after_seconds=60)
    alert = Alert(AlertKind.STALE_DATA, Severity.WARNING, "KO", None, None, "", None, "old")
    seen: list[Alert] = []
    watch = AlertWatch(given, courier_for([]), [], extra=lambda: seen)
    with Log.open(store, writer=False) as log, OpsLog.open(store) as second:
        for look in range(100):
            seen[:] = [alert] if look % 2 == 0 else []
            watch.look(log, second, at(700), look * SECOND)
        assert len(on_record(store)) == 1
        watch.look(log, second, at(700), 158 * SECOND)
        assert on_record(store)[0].is_active
        watch.look(log, second, at(700), 159 * SECOND)
        assert not on_record(store)[0].is_active


def courier_for(channels: list[Channel], store: str = "") -> Courier:
    return Courier(channels, lambda: OpsLog.open(store), 1_000)


def test_of_two_that_watch_one_raises_and_tells(hook: Hook, store: str) -> None:
    kill(store)
    given = settings(webhook_url=hook.url)
    pair = [service(store, given) for _ in range(2)]
    for one in pair:
        one.start()
    eventually(lambda: all(one._watch.book.active() for one in pair))
    for one in pair:
        one.stop()
    assert len(hook.got) == 1
    assert len(on_record(store)) == 1


def test_alerts_of_a_store_on_a_server_are_raised_once_by_whoever_watches_it(
    hook: Hook, postgres_url: str
) -> None:
    with Log.open(postgres_url) as log:
        story = Story("sim")
        story.open_session()
        log.append(Recordings([recorded.event for recorded in story.log]))
    kill(postgres_url)
    given = settings(webhook_url=hook.url)
    pair = [service(postgres_url, given) for _ in range(2)]
    for one in pair:
        one.start()
    eventually(lambda: all(one._watch.book.active() for one in pair))
    for one in pair:
        one.stop()
    assert [told["kind"] for told in hook.got] == ["kill_switch"]
    (occurrence,) = on_record(postgres_url)
    assert occurrence.notices["raised", "webhook"].delivered


def test_a_channel_that_does_not_take_it_is_on_record_and_the_next_is_told_all_the_same(
    hook: Hook, store: str
) -> None:
    hook.answer = 503
    with hooked() as other:
        url = other.url.replace("http://", "json://")
        watch = service(store, settings(webhook_url=hook.url, apprise_urls=url))
        watch.start()
        kill(store)
        eventually(lambda: other.got)
        watch.stop()
    (occurrence,) = on_record(store)
    refused = occurrence.notices["raised", "webhook"]
    assert (refused.delivered, refused.attempts) == (False, 3)
    assert refused.problem == "the server answered 503"
    assert hook.asked == 3
    assert occurrence.notices["raised", "apprise"].delivered


def test_a_silent_webhook_holds_up_neither_looking_nor_the_end(hook: Hook, store: str) -> None:
    hook.delay_seconds = 4
    watch = service(store, settings(webhook_url=hook.url))
    watch.start()
    kill(store, "symbol:KO")
    eventually(lambda: hook.asked)
    kill(store, "symbol:AAPL")
    eventually(lambda: len(on_record(store)) == 2, 3)
    hook.delay_seconds = 0
    watch.stop()


def test_what_was_raised_and_never_told_is_told_by_the_next_that_looks(
    hook: Hook, store: str
) -> None:
    given = settings(webhook_url=hook.url)
    kill(store)
    untold = AlertWatch(given, courier_for([]), ["webhook"])
    with Log.open(store, writer=False) as log, OpsLog.open(store) as second:
        untold.look(log, second, at(700), 1)  # long ago by the wall, and the process was killed
    assert len(on_record(store)) == 1
    watch = service(store, given)
    watch.start()
    eventually(lambda: hook.got)
    watch.stop()
    (occurrence,) = on_record(store)
    assert occurrence.notices["raised", "webhook"].delivered


def test_more_than_so_many_a_minute_are_held_back_and_that_is_on_record(
    hook: Hook, store: str
) -> None:
    seen = [
        Alert(AlertKind.STALE_DATA, Severity.WARNING, f"S{n}", None, None, "", None, "old")
        for n in range(8)
    ]
    given = settings(webhook_url=hook.url, notices_per_minute_max=3)
    watch = AlertService(store, given, lambda view: view.last_at, extra=lambda: seen)
    watch.start()
    eventually(lambda: sum(len(one.notices) for one in on_record(store)) == 8)
    watch.stop()
    told = [one.notices["raised", "webhook"] for one in on_record(store)]
    assert [one.delivered for one in told] == [True] * 3 + [False] * 5
    assert {one.attempts for one in told[3:]} == {0}
    assert "held back" in told[-1].problem
    assert len(hook.got) == 3


def test_a_second_stream_that_cannot_be_written_does_not_keep_people_from_knowing(
    hook: Hook, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreError("the disk is full")

    kill(store)
    monkeypatch.setattr(OpsLog, "append", full)
    watch = service(store, settings(webhook_url=hook.url))
    watch.start()
    eventually(lambda: hook.got)
    eventually(lambda: watch._watch._off_record)
    watch.stop()
    assert [one["raised_at"] for one in hook.got] == [0]


def test_a_log_that_cannot_be_followed_is_an_alert_and_ends_with_it(hook: Hook, store: str) -> None:
    with sqlite3.connect(store) as db:
        kept = db.execute("SELECT state FROM stored_events WHERE position = 4").fetchone()[0]
        db.execute("UPDATE stored_events SET state = ? WHERE position = 4", (b"{}",))
    watch = service(store, settings(webhook_url=hook.url))
    watch.start()
    eventually(lambda: hook.got)
    assert hook.got[0]["kind"] == "projection_stopped"
    with sqlite3.connect(store) as db:
        db.execute("UPDATE stored_events SET state = ? WHERE position = 4", (kept,))
    eventually(lambda: len(hook.got) > 1)
    watch.stop()
    assert hook.got[1]["change"] == "cleared"


def notice() -> Notice:
    alert = stopped_alert("a test")
    return Notice(
        "raised",
        ops.AlertRaised(
            record_time=1,
            actor="alerts",
            log_position=0,
            log_hash="0" * 64,
            alert=alert.key,
            kind=alert.kind.value,
            severity="critical",
            subject="log",
            about="",
            observed=None,
            threshold=None,
            unit="",
            since=None,
            market_time=1,
            detail=alert.detail,
        ),
        1,
    )


def test_a_webhook_is_not_followed_elsewhere_and_gets_user_and_password(hook: Hook) -> None:
    WebhookChannel(hook.url.replace("//", "//user:p%40ss@")).send(notice())
    assert hook.headers[0]["Authorization"] == "Basic dXNlcjpwQHNz"
    hook.answer = 302
    assert try_channel(WebhookChannel(hook.url)) == "the server answered 302"
    assert hook.asked == 2
    gone = WebhookChannel("http://user:pass-of-mine@127.0.0.1:9/token-of-mine")
    problem = try_channel(gone)
    assert "refused" in problem
    assert "of-mine" not in problem


def test_apprise_delivers_to_the_address_it_is_given(hook: Hook) -> None:
    AppriseChannel(hook.url.replace("http://", "json://")).send(notice())
    assert "a test" in str(hook.got[0]["message"])


@pytest.mark.parametrize(
    "config",
    [
        {"webhook_url": "ftp://host/x"},
        {"webhook_url": "https:///token-of-mine"},
        {"webhook_url": "http://[::1"},
        {"apprise_urls": "nothing-known"},
        {"apprise_urls": " , "},
    ],
)
def test_an_address_that_is_none_is_refused_by_name_and_not_shown(config: dict[str, str]) -> None:
    (field, value), *_ = config.items()
    with pytest.raises(InvalidInput, match=f"alerts.{field}") as refused:
        channels_of(AlertSettings.model_validate(config))
    assert value.strip(" ,") == "" or value not in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("stale_order_seconds", 0, "from 1 to 604800"),
        ("slippage_bps_max", -1, "from 0 to 10000"),
        ("success_rate_min", 90, "from 0 to 1"),
        ("limit_used_fraction_min", 0, "above 0 up to 1"),
        ("rejects_max", "many", "a whole number from 1 to 10000"),
        ("severity_min", "loud", "critical or warning or info"),
    ],
)
def test_a_threshold_that_is_none_is_refused_with_field_and_range(
    field: str, value: object, allowed: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.read({"alerts": {field: value}})
    assert f"alerts.{field}" in str(refused.value)
    assert allowed in str(refused.value)


def test_addresses_are_secrets() -> None:
    url = "https://user:pw-of-mine@host/token-of-mine"
    read = Settings.read({"alerts": {"webhook_url": url, "apprise_urls": url}})
    assert "of-mine" not in repr(read) + read.model_dump_json()


def test_the_command_lists_what_is_on_record_and_tries_the_channels(hook: Hook, store: str) -> None:
    assert "no alerts on record" in command_here(None, "alerts", "--store", store).stdout
    kill(store)
    watch = service(store, settings(webhook_url=hook.url))
    watch.start()
    eventually(lambda: hook.got)
    watch.stop()
    listed = command_here(None, "alerts", "--store", store)
    assert listed.returncode == 0, listed.stderr
    assert "kill_switch" in listed.stdout
    assert "webhook: told that it was raised" in listed.stdout
    (one,) = json.loads(command_here(None, "alerts", "--store", store, "--json").stdout)["alerts"]
    assert (one["active"], one["notices"][0]["delivered"]) == (True, True)
    env = {"FILLWRIGHT_ALERTS__WEBHOOK_URL": hook.url}
    tried = command_here(None, "alerts", "--test", "--json", env=env)
    assert json.loads(tried.stdout)["channels"] == {"log": "taken", "webhook": "taken"}
    hook.answer = 500
    tried = command_here(None, "alerts", "--test", env=env)
    assert tried.returncode == 4
    assert "the server answered 500" in tried.stdout


def test_averages_are_of_the_last_session_so_that_a_long_log_does_not_hide_a_bad_day() -> None:
    story = Story()
    story.open_session()
    for _ in range(20):
        made = story.start(10)
        story.fill(made, story.place(made, 10), 10)
    story.close_session()
    view, told = LogView(AlertSettings().thresholds()), len(story.log)
    with Log.open("memory:") as log:
        log.append(Batch(story.log))
        view.follow(log)
        assert view.alerts(story.now) == ()
        story.open_session("2013-10-09", days=1)
        made = story.start(10)
        story.fill(made, story.place(made, 10), 10, "10.03")
        log.append(Batch(story.log[told:]))
        view.follow(log)
    assert view.last_at == story.log[-1].event.record_time
    (alert,) = view.alerts(story.now)
    assert (alert.kind, alert.observed) == (AlertKind.AVERAGE_SLIPPAGE, 30)
