"""Where attempts run: one file for each backend, each passing `arc.testing.backend_contract`."""
