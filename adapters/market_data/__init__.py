"""Market data for the engine: recorded, generated and captured.

``recorded`` answers the ``MarketData`` port from symbol-days, ``minutes`` holds its one-minute
statistics, ``history`` knows earlier days from minute bars, ``generated`` makes seeded market days,
``folders`` writes them to disk, and ``capture`` keeps what was used beside the log.
"""
