"""The outside world of fillwright: brokers, market data, storage, clocks, settings, entry points.

Only this package performs I/O, and only ``wiring`` joins it to the domain. Import it as
``fillwright.adapters``.
"""

if __name__ != "fillwright.adapters":
    # One importable name per module: class identity, pickles and stored names depend on it.
    raise ImportError(f"import fillwright.adapters, not {__name__}")
