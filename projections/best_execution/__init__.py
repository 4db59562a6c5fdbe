"""Best-execution statistics in the forms that regulation names, over plain columns.

``rule605_terms`` and ``rule605`` hold the statistics of SEC Rule 605, ``rule605_files`` its two
files and the check against a CSV schema, ``rule606`` the customer report of Rule 606(b)(3),
``finra5310`` the regular and rigorous review. All but the terms need polars
(``pip install 'fillwright[analysis]'``).

A positive figure is a cost, what cannot be known is null and counted, and a share is a fraction,
not percent points.
"""
