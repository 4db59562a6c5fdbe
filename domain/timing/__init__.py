"""When to trade: the timing engine, its rules and its words."""
