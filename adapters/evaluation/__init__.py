"""The evaluation: a grid of parent orders worked over recorded days, policy against policy.

``grid`` makes the parents, ``policies`` names the ways to work them, ``runner`` works one of them
through the engine's own step path on the simulated exchange, ``parallel`` spreads them over
processes, and ``statistics``, ``summary`` and ``page`` say what came out.
"""
