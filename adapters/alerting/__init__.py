"""Alerts: noticed beside the engine, on record in the second stream, and told to people."""
