"""The event-sourced application of the library, over our mapper and recorder."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, InfrastructureFactory, Mapper
from eventsourcing.popo import POPOFactory
from eventsourcing.utils import Environment, EnvType

from .mapper import EventMapper
from .recording import ChainedRecorder


class LogApplication(Application[UUID]):
    """``save``, ``repository`` and ``notification_log`` work as the library documents them.

    ``save(*aggregates, counters=...)`` is one transaction. A failed ``save`` has taken the pending
    events out of the aggregates: load them anew instead of saving the same objects again.

    The process environment is not read: what a store means must not depend on a variable that
    another application has set.
    """

    name = "fillwright"

    def __init__(self, recorder: ChainedRecorder) -> None:
        self.event_mapper = EventMapper()
        self.log_recorder = recorder
        super().__init__()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """An environment of our own."""
        return Environment(name, {})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """The library's least factory: mapper and recorder are ours on either database."""
        return POPOFactory(env)

    def construct_mapper(self) -> Mapper[UUID]:
        """Our mapper; nothing is compressed or encrypted as a whole."""
        return self.event_mapper

    def construct_recorder(self) -> ApplicationRecorder:
        """Our recorder; its tables exist already."""
        return self.log_recorder
