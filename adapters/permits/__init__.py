"""What an engine asks before each decision and each order, beside its limits; no answer is no."""
