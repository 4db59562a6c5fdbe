"""Is everything there that trading needs? Each check says what it saw and what to do next."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..domain.errors import BrokerUnavailable, InvalidInput, StoreError
from .account_record import account_of
from .alpaca_provider import MISSING, access_of
from .settings import Settings
from .storage.latch import LatchFile, latched_in_log
from .storage.location import is_postgres, parse_location, without_password
from .storage.log import Log
from .storage.upkeep import store_info

if TYPE_CHECKING:
    from .alpaca_api.rest import AlpacaRest

PACKAGES: Final = ("eventsourcing", "pydantic", "alpaca-py")
FREE_BYTES_LEAST: Final = 100_000_000
FREE_BYTES_FEW: Final = 1_000_000_000
SKEW_SECONDS_WARN: Final = 0.5
SKEW_SECONDS_FAIL: Final = 5.0
ANSWER_SECONDS_SLOW: Final = 2.0


class Health(StrEnum):
    """What a check found."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was seen, and what to do next where it is not well."""

    name: str
    health: Health
    seen: str
    next: str = ""


def examine(
    read_settings: Callable[[], Settings],
    store: str | None,
    addresses: Mapping[str, str | None],
    *,
    ask_broker: bool,
) -> list[Finding]:
    """Every check, in the order in which they build on each other; none raises."""
    found = [_versions()]
    try:
        settings = read_settings()
    except InvalidInput as error:
        bad = Finding("configuration", Health.FAIL, str(error), "correct the named key")
        return [*found, bad]
    where = store or settings.store or os.environ.get("FILLWRIGHT_STORE")
    source = os.environ.get("FILLWRIGHT_CONFIG") or "defaults, the environment and --config"
    found.append(Finding("configuration", Health.OK, f"valid, from {source}"))
    found.append(_mode(settings))
    found += _store(where, settings)
    if ask_broker:
        return [*found, *_broker(settings, addresses)]
    return [*found, Finding("broker", Health.SKIPPED, "not asked", "leave out --no-broker")]


def _versions() -> Finding:
    named = [f"fillwright {__version__}", f"Python {platform.python_version()}"]
    named.append(f"SQLite {sqlite3.sqlite_version}")
    missing = []
    for package in PACKAGES:
        try:
            named.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            missing.append(package)
    if missing:
        text = f"{', '.join(named)}; missing: {', '.join(missing)}"
        return Finding("versions", Health.WARN, text, MISSING)
    return Finding("versions", Health.OK, ", ".join(named))


def _mode(settings: Settings) -> Finding:
    if settings.is_live:
        return Finding("mode", Health.WARN, "live: orders are of real money", "mean it")
    return Finding("mode", Health.OK, "paper")


# -- the store -------------------------------------------------------------------------------------


def _store(where: str | None, settings: Settings) -> list[Finding]:
    if not where:
        return [
            Finding("store", Health.WARN, "none named", "give --store PATH, or FILLWRIGHT_STORE")
        ]
    try:
        path = parse_location(where)
    except StoreError as error:
        return [Finding("store", Health.FAIL, str(error), "name the store as the message says")]
    if path is None:
        return [Finding("store", Health.WARN, "in memory: ends with the process", "name a file")]
    if is_postgres(where):
        return [*_server(where, settings), _blocks(where, settings)]
    found = [_place(path)]
    if path.exists():
        found += [_head(where), _writer(path), _blocks(where, settings)]
    return found


def _server(where: str, settings: Settings) -> list[Finding]:
    """A store on a database server: whether it answers, its tables, and who owns which account."""
    shown = without_password(where)
    try:
        info = store_info(where)
    except StoreError as error:
        step = (
            "do as it says: start the server, correct the URL, or make the tables with "
            "`fillwright store migrate`"
        )
        return [Finding("store", Health.FAIL, f"{shown}: {error}", step)]
    owned = [f"{one.account} by {one.owner}" for one in info.owners if one.is_owned]
    return [
        Finding("store", Health.OK, f"{shown}, {info.size_bytes / 1e6:.1f} MB, answers"),
        _durability(where, settings),
        _head(where),
        Finding("writer", Health.OK, f"owned: {', '.join(owned) or 'no account'}"),
    ]


def _durability(where: str, settings: Settings) -> Finding:
    """Whether the server keeps what it acknowledges when the power fails."""
    from .storage.postgres.durability import MEANS, advice, switched_off_at

    try:
        off = switched_off_at(where)
    except StoreError as error:
        return Finding("durability", Health.FAIL, str(error), "ask again")
    if not off:
        return Finding("durability", Health.OK, "what is acknowledged outlives a power cut")
    fails = settings.is_live and "fsync" in off
    seen = "; ".join(MEANS[name] for name in off)
    return Finding("durability", Health.FAIL if fails else Health.WARN, seen, advice(off))


def _place(path: Path) -> Finding:
    folder = path.parent
    if not folder.is_dir():
        return Finding("store", Health.FAIL, f"{folder} is no folder", "make it, or name another")
    writable = os.access(path if path.exists() else folder, os.W_OK) and os.access(folder, os.W_OK)
    if not writable:
        return Finding("store", Health.FAIL, f"{path} cannot be written", "change its permissions")
    free = shutil.disk_usage(folder).free
    seen = f"{path}{'' if path.exists() else ' (not there yet)'}, {free / 1e9:.1f} GB free"
    if free < FREE_BYTES_LEAST:
        return Finding("store", Health.FAIL, seen, "free space: a full disk stops trading")
    if free < FREE_BYTES_FEW:
        return Finding("store", Health.WARN, seen, "free space soon")
    return Finding("store", Health.OK, seen)


def _head(where: str) -> Finding:
    try:
        with Log.open(where, writer=False) as log:
            head = log.head()
            for _ in log.events(after=max(head.position - 1, 0)):
                pass
    except StoreError as error:
        return Finding("chain head", Health.FAIL, str(error), "run `fillwright verify` on it")
    seen = f"position {head.position}, hash {head.hash.hex()[:16]}…"
    return Finding("chain head", Health.OK, seen)


def _writer(path: Path) -> Finding:
    import fcntl

    lock = path.with_name(path.name + ".lock")
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        pass
    except OSError:
        owner = lock.read_text(errors="replace").strip() or "(unknown)"
        return Finding("writer", Health.OK, f"process {owner} is writing it")
    return Finding("writer", Health.OK, "nobody is writing it")


def _blocks(where: str, settings: Settings) -> Finding:
    try:
        with Log.open(where, writer=False) as log:
            account = account_of(log, settings.account)
            scopes = set(latched_in_log(log, account))
    except StoreError as error:
        return Finding("kill switch", Health.FAIL, str(error), "run `fillwright verify` on it")
    scopes |= {one.scope for one in LatchFile(where).read(account)}
    if scopes:
        seen = f"engaged for {', '.join(sorted(scopes))}"
        return Finding("kill switch", Health.WARN, seen, "`fillwright release` lifts it")
    return Finding("kill switch", Health.OK, "not engaged")


# -- the broker ------------------------------------------------------------------------------------


def _broker(settings: Settings, addresses: Mapping[str, str | None]) -> list[Finding]:
    try:
        access = access_of(settings, **addresses)
    except InvalidInput as error:
        is_of_keys = error.field == "broker keys"
        step = "set them; they are never shown" if is_of_keys else "correct the named setting"
        return [Finding("keys" if is_of_keys else "connectivity", Health.FAIL, str(error), step)]
    except ImportError:
        return [Finding("keys", Health.SKIPPED, "alpaca-py is not installed", MISSING)]
    from .alpaca_api.rest import CHECK_ADDRESS, AlpacaRest, ApiRefusal, ApiSilence

    keys = Finding("keys", Health.OK, "a key id and a secret key are set")
    rest = AlpacaRest(access)
    began = time.monotonic()
    try:
        clock = rest.get("/clock")
    except (ApiRefusal, ApiSilence) as error:
        text, step = f"{access.trading_url}: {error}", error.next_step or CHECK_ADDRESS
        if isinstance(error, ApiRefusal) and error.is_of_keys:
            return [Finding("keys", Health.FAIL, text, step)]
        return [keys, Finding("connectivity", Health.FAIL, text, step)]
    finally:
        rest.close()
    seconds = time.monotonic() - began
    seen = f"{access.trading_url} answered in {seconds * 1000:.0f} ms"
    slow = seconds > ANSWER_SECONDS_SLOW
    health, step = (Health.WARN, "look at the network") if slow else (Health.OK, "")
    found = [keys, Finding("connectivity", health, seen, step)]
    return [*found, _skew(rest), _market(clock), _account(rest)]


def _skew(rest: AlpacaRest) -> Finding:
    from .alpaca_api.clock import PacedClock, market_clock
    from .alpaca_api.rest import ApiRefusal, ApiSilence

    try:
        clock = market_clock(rest)
    except (ApiRefusal, ApiSilence) as error:
        return Finding("clock", Health.FAIL, str(error), "ask again")
    if isinstance(clock, PacedClock):
        seen = f"the server's market runs {clock.rate:g} times as fast as ours: it is its time"
        return Finding("clock", Health.OK, f"{seen} that counts")
    seconds = (clock.offset_ns or 0) / 1e9
    seen = f"the broker's clock is {seconds:+.3f} s from ours, ±{clock.uncertainty_ns / 2e9:.3f} s"
    if abs(seconds) > SKEW_SECONDS_FAIL:
        return Finding("clock", Health.FAIL, seen, "set this machine's clock (NTP)")
    if abs(seconds) > SKEW_SECONDS_WARN:
        return Finding("clock", Health.WARN, seen, "set this machine's clock (NTP)")
    return Finding("clock", Health.OK, seen)


def _market(clock: Any) -> Finding:
    if not isinstance(clock, dict) or not isinstance(clock.get("is_open"), bool):
        return Finding("market", Health.FAIL, "the clock's answer cannot be read", "ask again")
    if clock["is_open"]:
        return Finding("market", Health.OK, f"open until {clock.get('next_close')}")
    step = "decisions are refused or deferred until it opens"
    return Finding("market", Health.WARN, f"closed until {clock.get('next_open')}", step)


def _account(rest: AlpacaRest) -> Finding:
    from .alpaca_api.rest import ApiRefusal, ApiSilence

    try:
        account = rest.get("/account")
    except (ApiRefusal, ApiSilence, BrokerUnavailable) as error:
        return Finding("account", Health.FAIL, str(error), "ask again")
    if not isinstance(account, dict):
        return Finding("account", Health.FAIL, "the answer cannot be read", "ask again")
    flags = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    set_flags = [name for name in flags if account.get(name)]
    status = str(account.get("status"))
    if status != "ACTIVE" or set_flags:
        seen = f"{status}{', '.join(['', *set_flags])}"
        return Finding("account", Health.FAIL, seen, "settle it with the broker")
    return Finding("account", Health.OK, f"{status}, equity {account.get('equity')}")
