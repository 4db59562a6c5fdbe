"""Time as the engine knows it: clocks, how far they are off, and the calendars of exchanges."""
