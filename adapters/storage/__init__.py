"""The log: events on SQLite with group commit, a hash chain and counters in the same transaction.

``Log.open`` is the way in; how it works and what it promises is in ``docs/store.md``.
"""
