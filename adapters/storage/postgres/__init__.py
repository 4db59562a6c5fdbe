"""The log on PostgreSQL, where several engines on several machines share it.

Imported only when a store's URL asks for it; needs the extra ``postgres``.
"""
