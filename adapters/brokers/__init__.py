"""Brokers: one module each, all behind the ``Broker`` port of the domain."""
