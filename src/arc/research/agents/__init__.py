"""Agents of a study: each a few functions of the view, with no memory and no hands of its own."""
