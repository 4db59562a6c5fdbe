"""The simulated exchange: our orders matched against recorded or generated books.

``tape`` holds one symbol-day of market data, ``book`` matches our orders against it by the rules
of ``docs/fill-model.md``, ``exchange`` is the venue with its account, fees, halts and faults, and
``journal`` makes it survive its client.
"""
