"""Jobs: submit, claim, run, record, retry, cancel, resume; the engine that loses nothing."""
