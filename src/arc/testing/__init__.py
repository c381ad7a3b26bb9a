"""Shipped for tests: the suites that every backend and store must pass, and fakes. No room imports this."""
