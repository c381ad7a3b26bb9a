"""Data: from a user's archive or a generator to a dataset with splits that no patient crosses."""
