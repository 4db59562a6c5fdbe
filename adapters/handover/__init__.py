"""Parts of the log for somebody else, each with what proves that it is of the log."""
