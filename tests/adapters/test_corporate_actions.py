"""Files of corporate actions, in our form and in Alpaca's, and volumes across an ex-date."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fillwright.adapters.corporate_actions import actions_of, as_rows, read_actions
from fillwright.adapters.market_data.history import BarHistory, Bars
from fillwright.adapters.timekeeping.calendar import ExchangeCalendar
from fillwright.domain.corporate import ActionKind, CorporateAction
from fillwright.domain.errors import InvalidInput

D = Decimal
OWN = [
    {
        "action_id": "1",
        "kind": "split",
        "symbol": "KO",
        "ex_date": "2025-11-10",
        "new_rate": "2",
        "old_rate": "1",
    },
    {
        "action_id": "2",
        "kind": "symbol_change",
        "symbol": "AA",
        "ex_date": "2025-11-11",
        "new_symbol": "BB",
    },
]


def written(folder: Path, content: object, name: str = "actions.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def read(folder: Path, content: object, name: str = "actions.json") -> list[CorporateAction]:
    return [each.action for each in read_actions(written(folder, content, name)).announced]


def test_json_and_csv_say_the_same(tmp_path: Path) -> None:
    names = ("action_id", "kind", "symbol", "ex_date", "new_rate", "old_rate", "new_symbol")
    lines = [",".join(names)]
    lines += [",".join(str(row.get(name, "")) for name in names) for row in OWN]
    found = read(tmp_path, OWN)
    assert read(tmp_path, "\n".join(lines), "actions.csv") == found
    assert [action.kind for action in found] == [ActionKind.SPLIT, ActionKind.SYMBOL_CHANGE]
    assert read(tmp_path, as_rows(tuple(found))) == found


def test_alpacas_lists_by_kind_are_read(tmp_path: Path) -> None:
    groups = {
        "forward_splits": [
            {"id": "a", "symbol": "SRE", "ex_date": "2023-08-22", "new_rate": 2, "old_rate": 1}
        ],
        "reverse_splits": [
            {
                "id": "b",
                "symbol": "MNTS",
                "ex_date": "2023-08-24",
                "new_rate": 1,
                "old_rate": 50,
                "new_symbol": "",
            }
        ],
        "cash_dividends": [
            {
                "id": "c",
                "symbol": "FCF",
                "ex_date": "2023-05-04",
                "rate": 0.125,
                "payable_date": "2023-05-19",
            }
        ],
        "name_changes": [
            {"id": "d", "old_symbol": "BSAQ", "new_symbol": "VFS", "process_date": "2023-08-15"}
        ],
        "asset_seizures": [{"id": "e"}],
    }
    found = read_actions(written(tmp_path, {"corporate_actions": groups}))
    kinds = [each.action.kind.value for each in found.announced]
    assert kinds == ["split", "reverse_split", "cash_dividend", "symbol_change"]
    dividend = found.announced[2].action
    assert (dividend.cash_per_share, dividend.payable_date) == (D("0.125"), "2023-05-19")
    assert found.unknown == ("record 5: asset_seizures",)
    assert json.loads(found.announced[0].raw) == groups["forward_splits"][0]


def test_alpacas_announcements_are_read(tmp_path: Path) -> None:
    rows = [
        {
            "id": "f",
            "ca_type": "split",
            "ca_sub_type": "stock_split",
            "initiating_symbol": "KO",
            "target_symbol": "KO",
            "ex_date": "2025-11-10",
            "new_rate": "2",
            "old_rate": "1",
            "cash": "0",
        },
        {
            "id": "g",
            "ca_type": "dividend",
            "ca_sub_type": "cash",
            "initiating_symbol": "T",
            "target_symbol": "T",
            "ex_date": "2025-11-11",
            "cash": "0.51",
        },
        {"id": "h", "ca_type": "tender", "ca_sub_type": "offer"},
    ]
    found = read_actions(written(tmp_path, rows))
    assert [each.action.kind.value for each in found.announced] == ["split", "cash_dividend"]
    assert found.unknown == ("record 3: tender",)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "line 1"),
        ({"corporate_actions": 7}, "int"),
        ([7], "int"),
        ([{**OWN[0], "ex_date": "10.11.2025"}], "record 1: ex_date"),
        ([{**OWN[0], "new_rate": "0"}], "record 1: new_rate"),
        ([{**OWN[0], "price": "1"}], "record 1: price"),
        ([OWN[0], {**OWN[1], "symbol": "aa"}], "record 2: symbol"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: Any, named: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, content)
    assert named in str(caught.value)
    with pytest.raises(InvalidInput):
        read_actions(tmp_path / "absent.json")


# -- volumes ---------------------------------------------------------------------------------------


def bars(days: dict[str, float]) -> Bars:
    """Equal volume in every minute of each session, adding up to the day's."""
    calendar, ts, volume = ExchangeCalendar(), [], []
    for day, total in days.items():
        session = calendar.session_on(day)
        assert session is not None
        minutes = range(session.open, session.close, 60 * 10**9)
        ts += list(minutes)
        volume += [total / len(minutes)] * len(minutes)
    return Bars(np.array(ts, dtype=np.int64), np.array(volume))


def actions() -> list[CorporateAction]:
    return [CorporateAction(**row) for row in OWN]


def test_average_volume_is_in_shares_of_the_day_asked_about_and_the_bars_stay_raw() -> None:
    raw = {"KO": bars({"2025-11-06": 1_000, "2025-11-07": 1_000, "2025-11-10": 2_000})}
    adjusted = BarHistory(raw, ExchangeCalendar(), actions())
    assert adjusted.average_daily_volume("KO", "2025-11-07") == 1_000
    assert adjusted.average_daily_volume("KO", "2025-11-10") == 2_000
    assert adjusted.average_daily_volume("KO", "2025-11-11") == 2_000
    unadjusted = BarHistory(raw, ExchangeCalendar())
    assert unadjusted.average_daily_volume("KO", "2025-11-11") == 1_333


def test_volumes_under_an_earlier_name_count_and_those_of_its_namesake_do_not() -> None:
    raw = {
        "AA": bars({"2025-11-07": 1_000, "2025-11-10": 3_000, "2025-11-11": 9_000}),
        "BB": bars({"2025-11-07": 70_000, "2025-11-11": 5_000}),
    }
    history = BarHistory(raw, ExchangeCalendar(), actions())
    assert history.average_daily_volume("BB", "2025-11-11") == 2_000
    assert history.average_daily_volume("BB", "2025-11-12") == 3_000
    session = ExchangeCalendar().session_on("2025-11-12")
    assert session is not None
    assert abs(sum(history.volume_curve("BB", session)) - 1) < 1e-9


def test_a_market_folder_names_its_actions(tmp_path: Path) -> None:
    written(tmp_path, {"corporate_actions": "nothing"}, "corporate_actions.json")
    with pytest.raises(InvalidInput):
        BarHistory.from_folder(tmp_path, ExchangeCalendar())


MERGERS = {
    "cash_mergers": [
        {"id": "m1", "acquiree_symbol": "GLOP", "effective_date": "2023-07-17", "rate": 5.37}
    ],
    "stock_and_cash_mergers": [
        {
            "id": "m2",
            "acquiree_symbol": "MLVF",
            "acquirer_symbol": "FRBA",
            "effective_date": "2023-07-18",
            "acquirer_rate": 0.7733,
            "acquiree_rate": 1,
            "cash_rate": 7.8,
        }
    ],
    "spin_offs": [
        {"id": "s1", "source_symbol": "JUPW", "new_symbol": "SRM", "ex_date": "2023-08-15"}
    ],
    "unit_splits": [
        {"id": "u1", "old_symbol": "TPBAU", "new_symbol": "LVRO", "effective_date": "2023-03-01"}
    ],
    "rights_distributions": [
        {"id": "r1", "source_symbol": "IFN", "new_symbol": "IFN.RTWI", "ex_date": "2024-04-17"}
    ],
    "worthless_removals": [{"id": "w1", "symbol": "BLPH", "process_date": "2024-12-19"}],
}


def test_what_no_rule_turns_into_shares_is_kept_for_a_person(tmp_path: Path) -> None:
    found = read(tmp_path, {"corporate_actions": MERGERS})
    told = {
        one.action_id: (one.kind.value, one.symbol, one.ex_date, one.other_symbol) for one in found
    }
    assert told == {
        "m1": ("merger", "GLOP", "2023-07-17", None),
        "m2": ("merger", "MLVF", "2023-07-18", "FRBA"),
        "s1": ("spin_off", "JUPW", "2023-08-15", "SRM"),
        "u1": ("reorganization", "TPBAU", "2023-03-01", "LVRO"),
        "r1": ("reorganization", "IFN", "2024-04-17", None),
        "w1": ("reorganization", "BLPH", "2024-12-19", None),
    }


def test_a_stock_dividend_is_a_split(tmp_path: Path) -> None:
    paid = {"id": "d", "symbol": "MSBC", "rate": 0.05, "ex_date": "2023-05-19"}
    (found,) = read(tmp_path, {"corporate_actions": {"stock_dividends": [paid]}})
    assert (found.kind, found.ratio) == (ActionKind.SPLIT, D("1.05"))
    with pytest.raises(InvalidInput, match="record 1"):
        read(tmp_path, {"corporate_actions": {"stock_dividends": [{**paid, "rate": None}]}})


def test_one_answer_that_cannot_be_read_does_not_hide_the_others() -> None:
    pages = [
        {"corporate_actions": {"spin_offs": [{"id": "bad", "source_symbol": "x y"}]}},
        {"corporate_actions": MERGERS, "next_page_token": None},
        {"corporate_actions": {"redemptions": [{"id": "of a bond"}]}},
        {"corporate_actions": None},
    ]
    found = actions_of(pages, "alpaca")
    assert len(found.announced) == 6
    assert [text.split(":")[0] for text in found.unknown] == ["spin_offs"]
