"""Whole-engine tests trade on one generated session, made once; see ``world``."""
