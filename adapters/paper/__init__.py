"""The paper server: the simulated exchange behind Alpaca's REST and WebSocket protocol.

``desk`` is the broker: orders, triggers, brackets and replacements above the exchange's matching,
in virtual time and without any I/O. ``journal`` makes it survive its process, ``pace`` maps wall
time to market time, ``tape`` answers questions about the market. The rest is protocol: ``gate``,
the ``*_routes`` and the two streams.
"""
