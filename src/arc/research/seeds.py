"""Seeds: drawn by the platform from the study's own; a seed is never a parameter of the search."""

from hashlib import sha256


def drawn(study_seed: int, purpose: str, count: int) -> list[int]:
    """The first `count` seeds for a purpose: the same for every configuration, so that they pair; 31 bits each."""
    return [int.from_bytes(sha256(f"{study_seed}/{purpose}/{number}".encode()).digest()[:4], "big") >> 1 for number in range(count)]
