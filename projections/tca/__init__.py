"""Transaction cost analysis over plain columns, on our log or on anybody's order and fill tables.

``schema`` names the columns that go in and come out, ``tables`` reads and checks what goes in,
``analysis`` computes everything, ``shortfall``, ``spreads``, ``benchmarks`` and ``impact`` hold the
formulas, and ``log_rows`` takes the tables from the log. All but ``schema`` and ``log_rows`` need
polars (``pip install 'fillwright[analysis]'``).

Convention: side is +1 for a buy and -1 for a sell, a positive figure is a cost, and what cannot be
known is null and counted, never zero. Money is DECIMAL with 9 places, so that parts add up to their
total exactly; ratios and basis points are floats.
"""
