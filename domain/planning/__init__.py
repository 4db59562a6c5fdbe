"""From a decision and the facts to a plan: sizes, terms, checks, batches."""
