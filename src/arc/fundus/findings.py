"""Findings: what an evaluation allows one to say, in words, and what it does not.

A classifier is called better than chance only when the lower bound of its AUC lies above 0.5. An interval that
holds 0.5 means that it is not known, not that the classifier is useless.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from arc.kit.report import Tone

CHANCE: Final = 0.5
CLEAR: Final = 0.6  # a lower bound from here on is called clear
FEW: Final = 50  # patients
_LISTED: Final = 6  # names in a sentence
SYNTHETIC: Final = "synthetic"  # in the source of a dataset


def verdict(evaluation: Mapping[str, Any]) -> tuple[str, Tone]:
    """One sentence and its tone."""
    area = evaluation["metrics"]["auc"]
    value, low, high = area["value"], area["low"], area["high"]
    if value is None:
        return f"Not known: no AUC could be measured ({area['note']}).", "plain"
    if low is None or high is None:
        return f"Not known: the AUC is {value:.2f}, but how sure that is cannot be said ({area['note']}).", "plain"
    between = f"the AUC is {value:.2f} ({100 * evaluation['confidence']:g} % interval {low:.2f} to {high:.2f})"
    if evaluation.get("simulated"):
        return f"Simulated: a tiny network stood in for the model, so this says nothing [{between}].", "plain"
    if low > CLEAR:
        return f"Clearly better than chance: {between}.", "good"
    if low > CHANCE:
        return f"Better than chance: {between}.", "good"
    if high < CHANCE:
        return f"Worse than chance: {between}. The labels may be the wrong way round.", "bad"
    return f"Not known: {between}, and the interval includes chance (0.50).", "plain"


def subtitle(evaluation: Mapping[str, Any]) -> str:
    """What was judged on whom."""
    patients = evaluation["patients"]
    whom = f"{evaluation['n']} photographs of {patients} patients" if patients else f"{evaluation['n']} photographs, patients not known"
    return f"{evaluation['model']['name']} on {whom} ({evaluation['split']} split)"


def not_shown(evaluation: Mapping[str, Any], dataset: Mapping[str, Any]) -> list[str]:
    """What the reader must not conclude, a sentence each."""
    said = []
    if evaluation.get("simulated"):
        said.append("This run was simulated: its numbers must not be compared with measured ones.")
    if SYNTHETIC in str(dataset.get("source", "")).casefold():
        said.append("The photographs are drawn by a program. Nothing here says how the model would do on photographs of people.")
    else:
        said.append("One dataset was used. Other cameras, clinics and peoples may give other numbers.")
    said += _not_among(evaluation["card"]) if "card" in evaluation else []
    if evaluation["split"] != "sealed":
        said.append(
            f"It was judged on the split {evaluation['split']}, by which the training chose its epoch and threshold: the numbers are too good."
        )
    if not evaluation["patients_known"]:
        said.append(
            "Patients are not known. Two photographs of one patient may lie on both sides of the split, which flatters; the intervals are too narrow."
        )
    count, what = (evaluation["patients"], "patients") if evaluation["patients"] else (evaluation["n"], "photographs")
    if count < FEW:
        said.append(f"{count} {what} are few: only large differences can be seen, and the intervals are wide for that reason.")
    if evaluation["trained_on_this_dataset"] is False:
        said.append("The model was trained on another dataset version; patients judged here may have been in its training.")
    said.append("One training with one seed was judged; another seed gives another model.")
    said.append("The share of glaucoma here is that of the dataset, not of a clinic; precision would differ there.")
    return [*said, "Nothing here is a medical device or fit for a diagnosis."]


def _not_among(card: Mapping[str, Any]) -> list[str]:
    """Who was not among those judged, or is too few, as the card says it."""
    sites = [site for site in card["judged_on"]["site"] if site != "unknown"]
    said = []
    if len(sites) == 1:
        said.append(f"All photographs are of one site, {sites[0]}. How it does at any other is not shown.")
    elif sites:
        said.append(f"It was judged at {len(sites)} sites ({_listed(sites)}). How it does at any other is not shown.")
    if card["not_judged"]["site"]:
        said.append(f"Sites that the training had and that were not judged: {_listed(card['not_judged']['site'])}.")
    said.append(f"The dataset does not record: {', '.join(card['not_recorded'])}. How it does in groups by any of these is not shown.")
    if card["too_few"]:
        few = [
            f"{one['column']} {one['value']} ({one['positives']} with glaucoma, {one['n'] - one['positives']} without)"
            for one in card["too_few"]
        ]
        said.append(f"Too few to be judged alone: {_listed(few)}.")
    return said


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
