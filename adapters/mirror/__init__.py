"""The columnar mirror: the log as Parquet, bound to its chain, for analysis in SQL.

What the log says is copied and what follows from it is folded; nothing here is a source of its own.
"""
