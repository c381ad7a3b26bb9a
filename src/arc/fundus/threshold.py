"""The operating threshold: from which probability on it is called glaucoma."""

from collections.abc import Sequence


def youden(labels: Sequence[int], scores: Sequence[float]) -> float:
    """The threshold with the largest sensitivity + specificity - 1 (Youden, Cancer 1950).

    Lies halfway between two neighbouring scores; of several the one nearest to 0.5. 0.5 when a class is missing.
    """
    ill, well = sum(labels), len(labels) - sum(labels)
    if not ill or not well:
        return 0.5
    pairs = sorted(zip(scores, labels, strict=True), reverse=True)
    best, chosen = 0.0, [0.5]
    found = mistaken = 0
    for index, (score, label) in enumerate(pairs):
        found, mistaken = found + label, mistaken + (1 - label)
        below = pairs[index + 1][0] if index + 1 < len(pairs) else 0.0
        if below == score:
            continue
        gain = found / ill - mistaken / well
        if gain > best + 1e-12:
            best, chosen = gain, []
        if abs(gain - best) <= 1e-12:
            chosen.append((score + below) / 2)
    return min(chosen, key=lambda threshold: abs(threshold - 0.5))
