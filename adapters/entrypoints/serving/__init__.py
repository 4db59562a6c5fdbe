"""``serve``: clients over HTTP, each by its token; no logic of its own."""
