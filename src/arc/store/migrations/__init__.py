"""The history of the schema; one file a change, applied at start."""
