"""The decisions of fillwright: what to trade, when, in which pieces, and what must never happen.

Nothing here touches the network, the disk, a clock or the environment; whatever comes from
outside arrives through a port. Import it as ``fillwright.domain``.
"""

if __name__ != "fillwright.domain":
    # The module name is stored with every event, so a second name would make a second, unreadable
    # kind of event.
    raise ImportError(f"import fillwright.domain, not {__name__}")
