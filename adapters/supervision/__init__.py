"""Who may do what in this store: changes under four eyes, and exceptions with their owners."""
