"""Fundus: classification of fundus photographs, judged on sealed patients."""
