"""Decisions, steps, switches and cancels made once more and held against the record."""
