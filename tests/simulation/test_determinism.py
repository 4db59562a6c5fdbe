"""The same seed gives the same log byte for byte, and no time or id comes from the machine."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import eventsourcing.domain
import pytest

from fillwright.adapters.exchange.terms import Faults, Halt
from fillwright.adapters.simulation import Simulation, VenueTerms
from fillwright.adapters.storage.log import Log
from tests.simulation.world import (
    START_S,
    STRATEGIES,
    SYMBOLS,
    Scene,
    at,
    decision,
    run,
    shared_data,
)

FAULTS = Faults(
    seed=3,
    duplicate_probability=0.2,
    late_probability=0.2,
    missing_probability=0.2,
    reject_probability=0.1,
)
WILD = VenueTerms(faults=FAULTS, halts=(Halt("KO", at(START_S + 30), at(START_S + 60)),))


def portfolio(venue: VenueTerms | None = None) -> Scene:
    """All strategies on two symbols at once, without ids of their own."""
    decisions = []
    for number, strategy in enumerate(STRATEGIES):
        fields = decision(strategy, symbol=SYMBOLS[number % 2], order_size=str(20 + number))
        fields["target_weight"] = 1.0 + number / 10
        fields["decision_id"] = f"d{number}"
        decisions.append({**fields, "window": "90s"})
    return Scene(decisions, venue=venue or VenueTerms(), rules={"rejects_max": 20})


def stored(path: Path | str) -> list[tuple[int, str, bytes, bytes]]:
    """Position, topic, bytes and hash of every event."""
    with Log.open(path, writer=False) as log:
        return [(raw.position, raw.topic, raw.state, raw.hash) for raw in log.raw_events()]


def head_of(path: Path) -> Any:
    with Log.open(path, writer=False) as log:
        return log.head()


@pytest.mark.parametrize("venue", [None, WILD], ids=["calm", "wild"])
def test_the_same_seed_gives_the_same_bytes_and_head(
    venue: VenueTerms | None, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.db", tmp_path / "elsewhere" / "quite another name.db"
    other.parent.mkdir()
    run(portfolio(venue), one)
    run(portfolio(venue), other)
    assert stored(one) == stored(other)
    assert head_of(one) == head_of(other)
    assert len(stored(one)) > 50


def test_another_seed_of_the_faults_gives_another_log(tmp_path: Path) -> None:
    run(portfolio(WILD), tmp_path / "one.db")
    other = VenueTerms(faults=Faults(seed=4, reject_probability=0.3), halts=WILD.halts)
    run(portfolio(other), tmp_path / "two.db")
    assert stored(tmp_path / "one.db") != stored(tmp_path / "two.db")


def test_no_name_of_machine_process_or_path_is_in_a_hashed_event(tmp_path: Path) -> None:
    path = tmp_path / "a very particular name.db"
    run(portfolio(), path)
    bytes_of_all = b"\n".join(state for _, _, state, _ in stored(path))
    for word in (str(tmp_path), "a very particular name", socket.gethostname(), os.getcwd()):
        assert word.encode() not in bytes_of_all


def test_what_a_run_is_made_of_matters_not_when_or_in_what_steps_it_is_read(
    tmp_path: Path,
) -> None:
    """Reading the market at odd moments beforehand leaves no trace in the run."""
    run(portfolio(), tmp_path / "one.db")
    drawn = random.Random(5)
    for _ in range(500):
        shared_data().state(drawn.choice(SYMBOLS), at(drawn.randint(0, 23_000)))
    run(portfolio(), tmp_path / "two.db")
    assert stored(tmp_path / "one.db") == stored(tmp_path / "two.db")


def test_another_process_with_another_hash_seed_gives_the_same_head(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.simulation.test_determinism import WILD, head_of, portfolio\n"
        "from tests.simulation.world import run\n"
        "path = Path(sys.argv[1]); run(portfolio(WILD), path); print(head_of(path))\n"
    )
    heads = set()
    for number, zone in enumerate(("Asia/Tokyo", "America/New_York")):
        ran = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / f"{number}.db")],
            env={**os.environ, "PYTHONHASHSEED": str(number), "TZ": zone, "HOSTNAME": zone},
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        heads.add(ran.stdout)
    assert len(heads) == 1


def raising(name: str) -> Any:
    def refuse(*args: object, **kwargs: object) -> Any:
        raise AssertionError(f"{name} was called during a simulated run")

    return refuse


def test_no_clock_and_no_drawn_id_of_the_machine_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ruling 19, the library's own stamps included; the originals raise while the run goes on."""
    calm = run(portfolio(WILD), tmp_path / "calm.db")
    assert isinstance(calm, Simulation)
    with monkeypatch.context() as patched:
        patched.setattr(uuid, "uuid4", raising("uuid4"))
        patched.setattr(uuid, "uuid1", raising("uuid1"))
        patched.setattr(eventsourcing.domain, "uuid4", raising("the library's uuid4"))
        patched.setattr(eventsourcing.domain, "datetime_now_with_tzinfo", raising("its now"))
        for kind in (
            eventsourcing.domain.HasOriginatorIDVersion,
            eventsourcing.domain.CanCreateTimestamp,
        ):
            if hasattr(kind, "create_timestamp"):
                patched.setattr(kind, "create_timestamp", raising("create_timestamp"))
        for name in ("time", "time_ns"):
            patched.setattr(time, name, raising(f"time.{name}"))
        for name in ("random", "randint", "getrandbits", "shuffle", "choice"):
            patched.setattr(random, name, raising(f"random.{name}"))
        patched.setattr(os, "urandom", raising("os.urandom"))
        run(portfolio(WILD), tmp_path / "patched.db")
    assert stored(tmp_path / "calm.db") == stored(tmp_path / "patched.db")


def test_a_copied_store_is_the_same_store(tmp_path: Path) -> None:
    """Running again on a copy of a finished store appends nothing and agrees."""
    run(portfolio(), tmp_path / "one.db")
    for file in tmp_path.glob("one.db*"):
        target = tmp_path / file.name.replace("one", "copy")
        (shutil.copytree if file.is_dir() else shutil.copy)(file, target)
    before = stored(tmp_path / "copy.db")
    run(portfolio(), tmp_path / "copy.db")
    assert stored(tmp_path / "copy.db") == before
