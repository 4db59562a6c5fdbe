"""Talking to Alpaca, or to anything that speaks its protocol, through the ``alpaca-py`` client.

Calls are made in threads of our own with real timeouts and one shared budget of requests; sockets
run in a thread each. What is read stays raw until a reader that tolerates anything has looked at
it, because the client's own models drop a message for one unknown word in it.
"""
