"""Market data for the engine: recorded, generated and captured.

``recorded`` answers the ``MarketData`` port from symbol-days, with ``minutes`` for one-minute
statistics, ``history`` for what earlier days say, and ``feeds`` for what the data may be called.
``generated`` makes seeded market days of ``instruments`` by ``day_model``, ``folders`` writes them
to disk, and ``capture`` keeps what was used beside the log.
"""
