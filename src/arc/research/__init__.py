"""Research: the tenant that decides which experiment to ask for next, and when to call one better."""
