"""Orders and fills as REST lists them: pages put together, fills remembered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ....domain.errors import BrokerUnavailable
from ....domain.moments import utc_text
from ....domain.money import QUANTITY_MAX, ZERO
from ....domain.ports import NANOS
from ...alpaca_api.reading import Json, nanos, text_of
from ...alpaca_api.rest import AlpacaRest, ApiRefusal, ApiSilence
from .wire import amount

ORDERS_PAGE: Final = 500
FILLS_PAGE: Final = 100
PAGES_MAX: Final = 1_000
ASKED_ONE_BY_ONE_MAX: Final = 3
"""More orders than this are looked for in the day's list, which costs fewer requests."""
DAY_NS: Final = 86_400 * NANOS
OVERLAP_NS: Final = 1_000_000


class Listing:
    """Reads orders and fills; used by one worker thread at a time."""

    def __init__(self, rest: AlpacaRest) -> None:
        self._rest = rest
        self._fills: dict[str, dict[str, Json]] = {}
        self._last_fill: str | None = None
        self.ids: dict[str, str] = {}
        """The broker's order ids by client order id, as far as anything told them."""

    def order(self, client_order_id: str) -> Json | None:
        """The order under our id, None when the broker says that it has none.

        Raises:
            BrokerUnavailable: it does not say.
        """
        asked = {"client_order_id": client_order_id}
        return self._looked_up("/orders:by_client_order_id", asked, client_order_id)

    def order_by_id(self, id: str) -> Json | None:
        """The order under the broker's id, None when it says that it has none.

        Raises:
            BrokerUnavailable: it does not say.
        """
        return self._looked_up(f"/orders/{id}", {}, id)

    def _looked_up(self, path: str, asked: Mapping[str, object], what: str) -> Json | None:
        try:
            found = self._rest.get(path, asked)
        except ApiRefusal as refusal:
            if refusal.status == 404 and not refusal.is_of_keys and refusal.code is not None:
                return None
            raise BrokerUnavailable(f"look-up of {what}: {refusal}") from None
        except ApiSilence as silence:
            raise BrokerUnavailable(f"look-up of {what}: {silence}") from None
        if not isinstance(found, dict) or text_of(found, "id") is None:
            raise BrokerUnavailable(f"look-up of {what}: the answer cannot be read")
        return found

    def orders(self, client_order_ids: Sequence[str], now: int) -> list[Json]:
        """Those of the orders that the broker has, by look-up or in its list of the last day.

        Raises:
            BrokerUnavailable: it cannot be asked.
        """
        wanted = dict.fromkeys(client_order_ids)
        many = len(wanted) > ASKED_ONE_BY_ONE_MAX
        found = self._in_list(wanted, now) if many else {}
        for name in wanted:
            if name not in found:
                order = self.order(name)
                if order is not None:
                    found[name] = order
        if not many and len(found) < len(wanted):
            found = self._in_list(wanted, now) | found  # a look-up without it proves nothing alone
        for name in wanted:
            id = self.ids.get(name)
            if name not in found and id is not None:
                order = self.order_by_id(id)
                if order is not None and text_of(order, "client_order_id") == name:
                    found[name] = order
        return [found[name] for name in wanted if name in found]

    def _in_list(self, wanted: Mapping[str, None], now: int) -> dict[str, Json]:
        rows = {text_of(row, "client_order_id"): row for row in self.listed("all", now - DAY_NS)}
        return {name: rows[name] for name in wanted if name in rows}

    def listed(self, status: str, since: int | None = None) -> list[Json]:
        """Orders of a status, from ``since`` (ns UTC) on; each once, in order of submission.

        ``after`` excludes its own moment and orders may share one, so pages overlap.

        Raises:
            BrokerUnavailable: they cannot be listed.
        """
        rows: dict[str, Json] = {}
        after = since
        for _ in range(PAGES_MAX):
            parameters: dict[str, object] = {
                "status": status,
                "limit": ORDERS_PAGE,
                "direction": "asc",
                "nested": "false",
            }
            if after is not None:
                parameters["after"] = rfc3339(after)
            page = self._page("/orders", parameters)
            before = len(rows)
            rows.update((text_of(row, "id") or f"?{len(rows)}", row) for row in page)
            if len(page) < ORDERS_PAGE or len(rows) == before:
                return list(rows.values())
            last = nanos(page[-1].get("submitted_at"))
            if last is None:
                raise BrokerUnavailable("the list of orders: an order without submitted_at")
            after = last - OVERLAP_NS
        raise BrokerUnavailable(f"the list of orders is longer than {PAGES_MAX} pages")

    def fills(self, orders: Iterable[Json], now: int) -> dict[str, list[Json]]:
        """FILL activities by the broker's order id.

        What was read before is not read again, unless an order has executed more than is known.

        Raises:
            BrokerUnavailable: they cannot be listed.
        """
        executed = {
            text_of(order, "id") or "": amount(order, "filled_qty", QUANTITY_MAX) or ZERO
            for order in orders
        }
        if self._short(executed):
            self._read_fills(now, self._last_fill)
        if self._short(executed):
            self._read_fills(now, None)
        return {id: list(self._fills.get(id, {}).values()) for id in executed}

    def all_fills(self, now: int) -> dict[str, list[Json]]:
        """Every FILL activity of the last day by the broker's order id, ours or not.

        Raises:
            BrokerUnavailable: they cannot be listed.
        """
        self._read_fills(now, self._last_fill)
        return {id: list(rows.values()) for id, rows in self._fills.items()}

    def fills_between(self, since: int, until: int) -> list[Json]:
        """FILL activities of a span (ns UTC, without its ends), ours or not.

        Raises:
            BrokerUnavailable: they cannot be listed.
        """
        span = {"after": rfc3339(since), "until": rfc3339(until)}
        return self._all("/account/activities/FILL", span, "fills")

    def activities(self, kinds: Sequence[str], since: int) -> list[Json]:
        """Activities of these types from ``since`` (ns UTC) on.

        Raises:
            BrokerUnavailable: they cannot be listed.
        """
        asked = {"activity_types": ",".join(kinds), "after": rfc3339(since)}
        return self._all("/account/activities", asked, "activities")

    def _all(self, path: str, filters: Mapping[str, object], what: str) -> list[Json]:
        rows: list[Json] = []
        asked = {"direction": "asc", "page_size": FILLS_PAGE, **filters}
        for _ in range(PAGES_MAX):
            page = self._page(path, asked)
            rows += page
            token = text_of(page[-1], "id") if page else None
            if len(page) < FILLS_PAGE or token is None:
                return rows
            asked["page_token"] = token
        raise BrokerUnavailable(f"the list of {what} is longer than {PAGES_MAX} pages")

    def _short(self, executed: dict[str, Any]) -> bool:
        return any(
            sum((amount(row, "qty", QUANTITY_MAX) or ZERO for row in known), ZERO) < quantity
            for id, quantity in executed.items()
            for known in (self._fills.get(id, {}).values(),)
        )

    def _read_fills(self, now: int, token: str | None) -> None:
        for _ in range(PAGES_MAX):
            parameters: dict[str, object] = {
                "direction": "asc",
                "page_size": FILLS_PAGE,
                "after": rfc3339(now - DAY_NS),
            }
            if token is not None:
                parameters["page_token"] = token
            page = self._page("/account/activities/FILL", parameters)
            for row in page:
                order_id, id = text_of(row, "order_id"), text_of(row, "id")
                if order_id and id:
                    self._fills.setdefault(order_id, {})[id] = row
                    token = id
            self._last_fill = token
            if len(page) < FILLS_PAGE:
                return
        raise BrokerUnavailable(f"the list of fills is longer than {PAGES_MAX} pages")

    def _page(self, path: str, parameters: dict[str, object]) -> list[Json]:
        try:
            page = self._rest.get(path, parameters)
        except (ApiRefusal, ApiSilence) as error:
            raise BrokerUnavailable(f"{path}: {error}") from None
        if not isinstance(page, list):
            raise BrokerUnavailable(f"{path}: the answer is not a list")
        return [row for row in page if isinstance(row, dict)]


def rfc3339(at: int) -> str:
    """A time in ns UTC as Alpaca takes it, to the microsecond."""
    return utc_text(at, 6)
