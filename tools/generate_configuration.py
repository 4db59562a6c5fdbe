"""docs/configuration.md from the settings: every key with what it takes and its default."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from enum import Enum

from fillwright.adapters.settings import ALIASES, CREDENTIALS, KEYS, PREFIX, Settings
from fillwright.adapters.settings_reading import Key
from fillwright.domain.wrong_fields import allowed

INTRODUCTION = f"""\
# Configuration

*Generated from the settings by `make docs`; do not edit.*

Settings come from four places, later ones winning: the defaults below, a TOML file (the one that
`{PREFIX}CONFIG` names, or `--config`), the environment, and what the program passes. A key that
does not exist is an error that names the nearest one that does.

```toml
# fillwright.toml
account = "main"
store = "sqlite:///trades.db"
max_daily_trades = 20

[limits]
restricted = ["XYZ"]

[execution.urgent]
window_factor = 0.1
```

The same in the environment: the prefix `{PREFIX}`, and two underscores between section and key, as
in `{PREFIX}LIMITS__ALLOW_SHORT=true` or `{PREFIX}EXECUTION__URGENT__WINDOW_FACTOR=0.1`; lists are
JSON. From Python: `Settings.read({{"limits": {{"allow_short": True}}}})`, which is also what the
`config` of `TradeExecutionAgent` is read by.

**Percent, not fractions.** `max_position_size = 5` is 5 % of equity. A position limit above 0 and
below 0.1, or a turnover limit above 0 and below 1, is refused as a fraction written by mistake.

**Live trading** needs two things at once: the line `mode = "live"` here, and the explicit flag
(`--live`, or `Settings.read(…, live=True)`). `ALPACA_PAPER_TRADE=true` contradicts it and is an
error; `false` alone changes nothing. Live, nothing stands in for what the broker does not say,
every decision needs its own `decision_id`, and ADD and TRIM without a target are refused unless
`limits.half_by_default` is set.
"""


def page() -> str:
    """The whole page."""
    parts = [INTRODUCTION, _aliases(), _credentials()]
    sections: dict[str, list[Key]] = {}
    for key in KEYS.values():
        sections.setdefault(key.name.rpartition(".")[0], []).append(key)
    for section, keys in sections.items():
        parts.append(_section(section, keys))
    return "\n".join(parts)


def _aliases() -> str:
    rows = [(f"`{name}`", f"`{key}`") for name, key in ALIASES.items() if "." not in name]
    return (
        "## Short names\n\nAlso understood at the top level and in the environment.\n\n"
        + _table(("name", "stands for"), rows)
    )


def _credentials() -> str:
    rows = [(f"`{key}`", ", ".join(f"`{n}`" for n in names)) for key, names in CREDENTIALS.items()]
    return (
        "## Credentials\n\nRead from these variables where the key itself is not set; never shown "
        "in output, errors or events.\n\n" + _table(("key", "variables"), rows)
    )


def _section(section: str, keys: list[Key]) -> str:
    model: object = Settings()
    for name in section.split(".") if section else ():
        model = getattr(model, name)
    about = inspect.cleandoc(type(model).__doc__ or "")
    about = re.sub(r":\w+:`~?([\w.]+)`", r"`\1`", about).replace("``", "`")
    title = f"## `[{section}]`" if section else "## Top level"
    rows = [
        (f"`{key.name.rpartition('.')[2]}`", allowed(key.field).replace("|", "\\|"), _default(key))
        for key in keys
    ]
    return f"{title}\n\n{about}\n\n" + _table(("key", "takes", "default"), rows)


def _default(key: Key) -> str:
    value = key.default
    if value is None:
        return "none"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "`[]`" if value == () else f"`{value}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines) + "\n"
