"""The faces of fillwright: what a person or another program calls. They hold no trading logic."""
