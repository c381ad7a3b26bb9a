"""Readers of layouts, one module a family; each is asked about a tree and claims it or does not (`arc.data.layout`)."""
