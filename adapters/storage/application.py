"""The event-sourced application of the library, over our mapper and recorder."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder, InfrastructureFactory, Mapper
from eventsourcing.sqlite import SQLiteFactory
from eventsourcing.utils import Environment, EnvType

from .connection import StoreDatastore
from .mapper import EventMapper
from .sqlite_recorder import LogRecorder


class StoreFactory(SQLiteFactory):
    """The library's SQLite factory over a datastore that is open already."""

    def __init__(self, env: Environment | EnvType | None, datastore: StoreDatastore) -> None:
        super().__init__(env)
        self.datastore.close()
        self.datastore = datastore


class LogApplication(Application[UUID]):
    """``save``, ``repository`` and ``notification_log`` work as the library documents them.

    ``save(*aggregates, counters=...)`` is one transaction. A failed ``save`` has taken the pending
    events out of the aggregates: load them anew instead of saving the same objects again.

    The process environment is not read: what a store means must not depend on a variable that
    another application has set.
    """

    name = "fillwright"

    def __init__(self, datastore: StoreDatastore, store: str) -> None:
        self._datastore = datastore
        self._store = store
        self.event_mapper = EventMapper()
        self.log_recorder = LogRecorder(datastore, store)
        super().__init__()

    @property
    def datastore(self) -> StoreDatastore:
        """The open database, for another stream in it."""
        return self._datastore

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """An environment of our own."""
        return Environment(name, {"SQLITE_DBNAME": ":memory:"})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[Any]:
        """The factory over the open datastore."""
        return StoreFactory(env, self._datastore)

    def construct_mapper(self) -> Mapper[UUID]:
        """Our mapper; nothing is compressed or encrypted as a whole."""
        return self.event_mapper

    def construct_recorder(self) -> ApplicationRecorder:
        """Our recorder; its tables exist already."""
        return self.log_recorder
