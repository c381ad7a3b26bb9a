"""Language models in the research loop: optional, checked, budgeted, and never more than a third of the voices."""
