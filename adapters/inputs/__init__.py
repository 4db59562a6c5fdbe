"""What an operator hands in as files: the account, decisions, scheduled events, statements."""
