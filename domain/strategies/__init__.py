"""How an instruction is worked: six pure strategies, each naive or smart.

A strategy maps what is known to what to do next and keeps nothing: see ``contract`` for the
interface, ``registry`` for the list and ``docs/strategies.md`` for the rules.
"""
