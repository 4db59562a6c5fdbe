"""A text made unreadable for ever: refused while it must be kept, and on the record when done."""

import json
from pathlib import Path

import pytest

from fillwright.adapters.storage.keystore import Keystore
from tests.adapters.entrypoints.conftest import Cli, Vouched

DECISION = "pm-20240612-03"
OTHER = "pm-20240612-02"
ASKED = ("--reason", "asked for by the manager", "--by", "kim")


def text_of(cli: Cli, store: Path, decision: str) -> str:
    done = cli("show", decision, "--store", store, "--json")
    assert done.code == 0, done.err
    (text,) = [entry["text"] for entry in done.json["trail"] if entry["text"]]
    return str(text)


def test_it_is_refused_within_retention_and_under_a_legal_hold(
    vouched_copy: Vouched, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = vouched_copy.store
    kept = cli("redact", DECISION, *ASKED, "--store", store)
    assert (kept.code, "until 2030-06" in kept.err) == (2, True)
    monkeypatch.setenv("FILLWRIGHT_RETENTION__DAYS", "30")
    for hold in ("*", f"decision:{DECISION}", "account:main"):
        monkeypatch.setenv("FILLWRIGHT_RETENTION__LEGAL_HOLDS", json.dumps([hold]))
        held = cli("redact", DECISION, *ASKED, "--store", store)
        assert (held.code, f"{hold} holds it" in held.err) == (2, True)
    assert text_of(cli, store, DECISION) not in ("[redacted]", "[sealed]")
    assert not store.with_name("log.db.keys").exists()


def test_a_hold_on_a_symbol_is_one_under_every_name_that_it_has_had(
    vouched_copy: Vouched, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {
        "ca_type": "name_changes",
        "id": "c-1",
        "process_date": "2024-07-01",
        "old_symbol": "KO",
        "new_symbol": "KOKE",
    }
    (tmp_path / "actions.json").write_text(
        json.dumps({"corporate_actions": {"name_changes": [change]}})
    )
    store = vouched_copy.store
    told = cli("actions", tmp_path / "actions.json", "--store", store)
    assert told.code == 0, told.err
    monkeypatch.setenv("FILLWRIGHT_RETENTION__DAYS", "30")
    for name, code in (("KOKE", 2), ("PEP", 0)):
        monkeypatch.setenv("FILLWRIGHT_RETENTION__LEGAL_HOLDS", json.dumps([f"symbol:{name}"]))
        held = cli("redact", DECISION, *ASKED, "--store", store)
        assert (held.code, f"symbol:{name} holds it" in held.err) == (code, bool(code))


def test_it_is_an_event_and_the_log_verifies_still(
    vouched_copy: Vouched, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = vouched_copy.store
    monkeypatch.setenv("FILLWRIGHT_RETENTION__DAYS", "30")
    other = text_of(cli, store, OTHER)
    before = cli("events", "--json", "--store", store).out
    done = cli("redact", DECISION, *ASKED, "--store", store, "--json")
    assert done.code == 0, done.err
    assert (done.json["decision_id"], done.json["anew"]) == (DECISION, True)
    assert text_of(cli, store, DECISION) == "[redacted]"
    assert text_of(cli, store, OTHER) == other
    after = cli("events", "--json", "--store", store).out
    assert after.startswith(before)
    (line,) = after[len(before) :].splitlines()
    event = json.loads(line)
    assert event["topic"] == "SubjectRedacted.v1"
    assert (event["fields"]["actor"], event["fields"]["reason"]) == ("person:kim", ASKED[1])
    verified = cli("verify", *vouched_copy.here, "--counters", "--json")
    assert (verified.code, verified.json["outcome"]) == (0, "anchored")
    assert cli("replay", "--store", store).code == 0
    again = cli("redact", DECISION, *ASKED, "--store", store, "--json")
    assert (again.code, again.json["anew"]) == (0, False)
    assert cli("events", "--json", "--store", store).out == after


def test_what_a_crash_left_half_done_is_done_by_the_next_call(
    vouched_copy: Vouched, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = vouched_copy.store
    monkeypatch.setenv("FILLWRIGHT_RETENTION__DAYS", "30")

    def die(self: Keystore, subject: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Keystore, "destroy", die)
        assert cli("redact", DECISION, *ASKED, "--store", store).code == 130
    assert text_of(cli, store, DECISION) != "[redacted]"
    assert cli("redact", DECISION, *ASKED, "--store", store).code == 0
    assert text_of(cli, store, DECISION) == "[redacted]"


def test_who_and_why_have_to_be_said(vouched_copy: Vouched, cli: Cli) -> None:
    store = vouched_copy.store
    assert cli("redact", DECISION, "--reason", " ", "--by", "kim", "--store", store).code == 2
    assert cli("redact", DECISION, "--reason", "why", "--store", store).code == 2
    assert cli("redact", "nothing", *ASKED, "--store", store).code == 2
