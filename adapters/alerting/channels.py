"""Where notices of alerts go: the program's log, a webhook, and the notification library."""

from __future__ import annotations

import base64
import json
import re
import urllib.request
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit

from ...domain.errors import InvalidInput
from ...domain.ops import AlertRaised
from ...projections.alerts import message_of
from ...projections.canonical import to_json
from .terms import AlertSettings

SEND_SECONDS_MAX: Final = 5.0
MISSING: Final = "apprise is not installed: pip install 'fillwright[alerts]'"
LOG: Final = "log"
WEBHOOK: Final = "webhook"
APPRISE: Final = "apprise"
HIDDEN: Final = "(hidden)"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a channel is told: that an alert was ``raised`` or ``cleared``.

    ``raised_at`` is the position of its record in the second stream, 0 where it could not be put on
    record.
    """

    change: str
    raised: AlertRaised
    raised_at: int

    @property
    def title(self) -> str:
        """One short line."""
        kind = self.raised.kind.replace("_", " ")
        state = "" if self.change == "raised" else "cleared, was "
        return f"fillwright: {state}{self.raised.severity}: {kind}"

    @property
    def message(self) -> str:
        """One line for a person."""
        raised = self.raised
        return message_of(
            raised.subject, raised.detail, raised.observed, raised.threshold, raised.unit
        )

    def document(self) -> dict[str, Any]:
        """The same for a program; figures as text, times in ns UTC."""
        fields = ("alert", "kind", "severity", "subject", "about", "observed", "threshold")
        more = ("unit", "since", "market_time", "detail", "log_position", "record_time")
        told = {name: to_json(getattr(self.raised, name)) for name in (*fields, *more)}
        return {
            "change": self.change,
            "raised_at": self.raised_at,
            "title": self.title,
            "message": self.message,
            **told,
        }


class NotTaken(Exception):
    """A channel did not take a notice; the text holds no address."""


class Channel(Protocol):
    """Where notices go."""

    name: str

    def send(self, notice: Notice) -> None:
        """Deliver it within a few seconds; raises whatever says that it could not."""
        ...


class LogChannel:
    """The program's own log."""

    name = LOG

    def send(self, notice: Notice) -> None:
        """One line."""
        import structlog

        raised = notice.raised
        structlog.get_logger(__name__).warning(
            f"alert {notice.change}",
            kind=raised.kind,
            severity=raised.severity,
            message=notice.message,
        )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A notice goes where it was told to, and nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none; the answer is then an error."""


class WebhookChannel:
    """A JSON document by POST; any answer of 2xx has taken it."""

    name = WEBHOOK

    def __init__(self, url: str) -> None:
        """Check the address; a user and password in it are sent as basic authorization.

        Raises:
            InvalidInput: it is no address of http or https.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            allowed = "an address such as https://HOST/PATH"
            raise InvalidInput("alerts.webhook_url", HIDDEN, allowed)
        place = f"[{host}]" if ":" in host else host
        place += f":{port}" if port else ""
        self._url = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
        self._headers = {"Content-Type": "application/json"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, notice: Notice) -> None:
        """Deliver it; raises OSError or NotTaken when the server does not take it."""
        body = json.dumps(notice.document(), sort_keys=True).encode()
        request = urllib.request.Request(self._url, data=body, headers=self._headers, method="POST")
        try:
            with self._opener.open(request, timeout=SEND_SECONDS_MAX):
                pass
        except HTTPError as error:
            raise NotTaken(f"the server answered {error.code}") from None


class AppriseChannel:
    """The notification library: mail, chat, phones."""

    name = APPRISE

    def __init__(self, urls: str) -> None:
        """Take the addresses.

        Raises:
            InvalidInput: the library is missing, or does not know one of them.
        """
        found = [url for url in re.split(r"[\s,]+", urls) if url]
        if not found:
            raise InvalidInput("alerts.apprise_urls", "none", "at least one address, or no key")
        with warnings.catch_warnings():
            # The library imports all it can talk to, some of it by deprecated means.
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                import apprise
            except ImportError as error:
                raise InvalidInput("alerts.apprise_urls", HIDDEN, MISSING) from error
            self._to: Any = apprise.Apprise()
            for number, url in enumerate(found, start=1):
                if not self._to.add(url):
                    allowed = "addresses that apprise knows, with spaces or commas between"
                    raise InvalidInput("alerts.apprise_urls", f"number {number}", allowed)

    def send(self, notice: Notice) -> None:
        """Deliver it; raises NotTaken when one of the addresses did not take it."""
        if not self._to.notify(title=notice.title, body=notice.message):
            raise NotTaken("not every address took it")


def channels_of(settings: AlertSettings) -> list[Channel]:
    """Where notices go.

    Raises:
        InvalidInput: an address is none, or a library is missing.
    """
    found: list[Channel] = [LogChannel()]
    if settings.webhook_url is not None:
        found.append(WebhookChannel(settings.webhook_url.get_secret_value()))
    if settings.apprise_urls is not None:
        found.append(AppriseChannel(settings.apprise_urls.get_secret_value()))
    return found


def names_on_record(channels: Sequence[Channel]) -> tuple[str, ...]:
    """The channels that can fail, and whose notices are therefore put on record."""
    return tuple(channel.name for channel in channels if channel.name != LOG)


def problem_of(error: Exception) -> str:
    """What went wrong, without an address: the text of other errors may hold one."""
    if isinstance(error, NotTaken):
        return str(error)
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, Exception) else error
    number = getattr(cause, "strerror", None)
    return f"{type(cause).__name__}{f': {number}' if isinstance(number, str) else ''}"
