"""Small statistics that both columns need; plain Python and numpy, no torch and no scipy."""
