"""The views of fillwright: blotter, limits used, execution quality, alerts, all told from events.

A view holds nothing that the log does not; rebuilt from nothing it gives the same bytes. Import
it as ``fillwright.projections``.
"""

if __name__ != "fillwright.projections":
    # One importable name per module: class identity, pickles and stored names depend on it.
    raise ImportError(f"import fillwright.projections, not {__name__}")
