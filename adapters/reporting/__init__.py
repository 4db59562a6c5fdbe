"""Reports made from a store: read at a position, built, written in every format, drilled down."""
