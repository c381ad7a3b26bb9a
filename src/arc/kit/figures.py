"""Figures for reports: SVG that takes its colours from the page, so that one drawing is right in light and dark.

Matplotlib draws with stand-in colours; afterwards each is replaced by a CSS variable of the page (with a fallback
for the file on its own). Text stays text, in the page's font, and is never read as mathematics: class names may hold
a `$`. The ids of a drawing get a prefix, because several share one page. Equal input gives equal bytes.

The object interface of matplotlib is used alone: no pyplot, no global figure, no window system.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from arc.core.errors import BadData

INK, MUTED, LINE, ACCENT, SURFACE, ON_ACCENT = "#010203", "#010204", "#010205", "#010206", "#010207", "#010208"
_VARIABLES: Final = {
    INK: "var(--ink, #1d2125)",
    MUTED: "var(--muted, #5d6771)",
    LINE: "var(--line, #dfe3e6)",
    ACCENT: "var(--accent, #0f6b75)",
    SURFACE: "var(--surface, #ffffff)",
    ON_ACCENT: "var(--on-accent, #ffffff)",
}
_FONT: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_STEPS: Final = 200  # of a distribution function: more cannot be seen
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.size": 8.5,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "text.parse_math": False,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "savefig.transparent": True,
}


@dataclass(frozen=True)
class Svg:
    """A drawing made here: the only markup that a report takes unescaped."""

    markup: str
    alt: str  # what it shows, for those who do not see it


@dataclass(frozen=True)
class Curve:
    """One line of a chart."""

    label: str
    x: Sequence[float]
    y: Sequence[float | None]
    quiet: bool = False  # drawn thin and grey, behind the others


def curves(
    lines: Sequence[Curve], *, x_label: str, y_label: str, name: str, mark: tuple[float, str] | None = None, log_y: bool = False
) -> Svg:
    """Lines over a common axis, such as losses over epochs; `mark` puts a dotted line at an x with a word beside it."""
    drawn = [line for line in lines if any(value is not None for value in line.y)]
    with mpl.rc_context(_STYLE):
        canvas, axes = _canvas(4.2, 2.7)
        loud = 0
        for line in drawn:
            y = np.array([np.nan if value is None else value for value in line.y], dtype=float)
            dashes, loud = ("-", loud) if line.quiet else (("-", "--", ":")[loud % 3], loud + 1)
            single = "o" if len(y) == 1 else None
            color, width, order = (MUTED, 1.0, 2) if line.quiet else (ACCENT if loud == 1 else INK, 1.8 if loud == 1 else 1.4, 3)
            axes.plot(line.x, y, dashes, color=color, linewidth=width, marker=single, label=_short(line.label, 30), zorder=order)
        if mark is not None:
            axes.axvline(mark[0], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
            axes.annotate(
                _short(mark[1]), (mark[0], 1), xycoords=("data", "axes fraction"), xytext=(3, 2), textcoords="offset points", color=MUTED
            )
        if log_y:
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.set(xlabel=_short(x_label, 40), ylabel=_short(y_label, 30))
        if len(drawn) > 1:
            axes.legend(loc="best", labelcolor=INK)
        return _svg(canvas, name, f"{y_label} over {x_label}: {', '.join(line.label for line in drawn) or 'no data'}")


def roc(
    false_positive: Sequence[float],
    true_positive: Sequence[float],
    *,
    name: str,
    auc: tuple[float, float, float] | None = None,
    point: tuple[float, float, str] | None = None,
) -> Svg:
    """A ROC curve with the line of chance; `auc` is (value, low, high), `point` an operating point (x, y, label)."""
    with mpl.rc_context(_STYLE):
        canvas, axes = _canvas(3.5, 3.4)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        axes.fill_between(false_positive, true_positive, color=ACCENT, alpha=0.09, linewidth=0)
        axes.plot(false_positive, true_positive, color=ACCENT, drawstyle="default")
        if point is not None:
            axes.plot([point[0]], [point[1]], "o", color=SURFACE, markeredgecolor=INK, markersize=6, markeredgewidth=1.6, zorder=5)
            axes.annotate(_short(point[2], 24), point[:2], xytext=(8, -11), textcoords="offset points", color=INK)
        words = "not available" if auc is None else f"{auc[0]:.3f}"
        axes.text(0.96, 0.14, f"AUC {words}", ha="right", color=INK, fontsize=12, fontweight="bold")
        if auc is not None:
            axes.text(0.96, 0.06, f"{auc[1]:.3f} to {auc[2]:.3f}", ha="right", color=MUTED)
        _unit_square(axes, "1 \N{MINUS SIGN} specificity", "sensitivity")
        return _svg(canvas, name, f"ROC curve, AUC {words}")


def confusion(counts: Sequence[Sequence[int]], classes: Sequence[str], *, name: str) -> Svg:
    """A confusion matrix: a row a true class, a column a predicted one, shaded by the share of the row."""
    table = np.asarray(counts, dtype=int)
    if table.ndim != 2 or table.shape != (len(classes), len(classes)):
        raise BadData(f"a confusion matrix of {len(classes)} classes has not the shape {table.shape}", field="counts")
    with mpl.rc_context(_STYLE | {"axes.grid": False}):
        canvas, axes = _canvas(3.5, 3.4)
        for row, column in np.ndindex(*table.shape):
            share = table[row, column] / max(1, table[row].sum())
            alpha = 0.05 + 0.85 * share
            color = ON_ACCENT if alpha > 0.55 else INK
            axes.add_patch(Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, facecolor=ACCENT, alpha=alpha, linewidth=0))
            axes.text(
                column + 0.5, row + 0.47, f"{table[row, column]}", ha="center", va="center", color=color, fontsize=14, fontweight="bold"
            )
            axes.text(column + 0.5, row + 0.68, f"{100 * share:.0f} %", ha="center", va="center", color=color)
        places = np.arange(len(classes)) + 0.5
        axes.set_xticks(places, [_short(text) for text in classes])
        axes.set_yticks(places, [_short(text) for text in classes], rotation=90, va="center")
        axes.set(xlim=(0, len(classes)), ylim=(len(classes), 0), xlabel="predicted", ylabel="true")
        axes.spines[:].set_visible(False)
        return _svg(
            canvas, name, "confusion matrix: " + "; ".join(f"{label}: {row}" for label, row in zip(classes, table.tolist(), strict=True))
        )


def calibration(
    predicted: Sequence[float | None],
    observed: Sequence[float | None],
    *,
    name: str,
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    counts: Sequence[int] | None = None,
    before: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Svg:
    """Observed frequency against mean predicted probability, a dot a bin, with its interval and its size as area; empty bins are None.

    `before` is the same (predicted, observed) before it was mended, drawn quietly.
    """
    x, y = np.asarray(predicted, dtype=float), np.asarray(observed, dtype=float)
    with mpl.rc_context(_STYLE):
        canvas, axes = _canvas(3.5, 3.4)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        if low is not None and high is not None:
            axes.vlines(x, np.asarray(low, dtype=float), np.asarray(high, dtype=float), color=ACCENT, alpha=0.45, linewidth=1.4)
        if before is not None:
            axes.plot(*before, ".--", color=MUTED, linewidth=1, markersize=4, label="before the temperature")
            axes.legend(loc="lower right", labelcolor=INK)
        sizes = 18 + 70 * np.asarray(counts) / max(1, *counts) if counts else 30
        there = np.isfinite(x) & np.isfinite(y)
        axes.plot(x[there], y[there], color=ACCENT, linewidth=1, alpha=0.6)
        axes.scatter(x, y, s=sizes, color=ACCENT, linewidth=0, zorder=4)
        _unit_square(axes, "predicted probability", "observed frequency")
        return _svg(canvas, name, f"calibration: {int(np.isfinite(x).sum())} bins of predicted probability against observed frequency")


def decision_curve(
    thresholds: Sequence[float],
    model: Sequence[float],
    everyone: Sequence[float],
    *,
    name: str,
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    mark: float | None = None,
) -> Svg:
    """Net benefit over threshold probability: of the model, of calling everyone positive, and of no one, which is 0; `mark` is a threshold."""
    with mpl.rc_context(_STYLE):
        canvas, axes = _canvas(3.5, 3.4)
        if low is not None and high is not None:
            axes.fill_between(thresholds, low, high, color=ACCENT, alpha=0.16, linewidth=0)
        axes.axhline(0, color=MUTED, linewidth=1)
        axes.plot(thresholds, everyone, "--", color=MUTED, linewidth=1.2, label="call everyone")
        axes.plot(thresholds, model, color=ACCENT, label="by the model")
        if mark is not None:
            axes.axvline(mark, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        top = max(0.02, *model, *everyone, *(high or ()))
        axes.set(xlim=(0, 1), ylim=(-0.3 * top, 1.06 * top), xlabel="threshold probability", ylabel="net benefit")
        axes.legend(loc="upper right", labelcolor=INK)
        return _svg(canvas, name, "decision curve: net benefit of the model and of calling everyone, over the threshold probability")


def agreement(truth: Sequence[float], found: Sequence[float], *, x_label: str, y_label: str, name: str) -> Svg:
    """A dot a case, what was found against what is true, both 0 to 1; on the line they agree."""
    with mpl.rc_context(_STYLE):
        canvas, axes = _canvas(3.5, 3.4)
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        axes.scatter(truth, found, s=20, color=ACCENT, alpha=0.6, linewidth=0, zorder=4)
        _unit_square(axes, x_label, y_label)
        return _svg(canvas, name, f"{y_label} against {x_label}: {len(truth)} cases")


def distributions(before: Sequence[float], after: Sequence[float], *, labels: tuple[str, str], x_label: str, name: str) -> Svg:
    """Two samples, none of them empty: histograms over common bins, and beside them the share of each at or below a value."""
    samples = [np.asarray(sample, dtype=float) for sample in (before, after)]
    edges = np.histogram_bin_edges(np.concatenate(samples), bins=24)
    shares = [np.histogram(sample, edges)[0] / len(sample) for sample in samples]
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(6.6, 2.4), layout="constrained")
        left, right = canvas.subplots(1, 2)
        left.stairs(shares[0], edges, fill=True, color=MUTED, alpha=0.35, linewidth=0)
        left.stairs(shares[1], edges, color=ACCENT, linewidth=1.8)
        for sample, label, color in zip(samples, labels, (MUTED, ACCENT), strict=True):
            steps = np.linspace(0, 1, min(len(sample), _STEPS) + 1)
            right.step(np.quantile(sample, steps, method="inverted_cdf"), steps, where="post", color=color, label=_short(label, 30))
        for axes, y_label in ((left, "share"), (right, "share at or below")):
            axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
            axes.set(xlabel=_short(x_label, 40), ylabel=y_label)
        right.legend(loc="best", labelcolor=INK)
        middles = " and ".join(f"{np.median(sample):.4g} ({label})" for sample, label in zip(samples, labels, strict=True))
        return _svg(canvas, name, f"{x_label} of two samples, medians {middles}")


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of pixels_HWC (3 channels) or pixels_HW; BadData for another shape or type."""
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise BadData(f"an image is uint8 of shape (H, W) or (H, W, 3), not {pixels.dtype} {pixels.shape}", field="pixels")
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _canvas(width_in: float, height_in: float) -> tuple[Canvas, Axes]:
    canvas = Canvas(figsize=(width_in, height_in), layout="constrained")
    return canvas, canvas.subplots()


def _unit_square(axes: Axes, x_label: str, y_label: str) -> None:
    ticks = [0, 0.25, 0.5, 0.75, 1]
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=ticks, yticks=ticks, xlabel=x_label, ylabel=y_label, aspect="equal")
    axes.set_xticklabels(["0", ".25", ".5", ".75", "1"])
    axes.set_yticklabels(["0", ".25", ".5", ".75", "1"])


def _short(text: str, limit: int = 18) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _svg(canvas: Canvas, name: str, alt: str) -> Svg:
    """The drawing as markup for a page; `name` (unique in the page) keeps its ids apart from others."""
    prefix = re.sub(r"[^a-zA-Z0-9_-]", "-", name)
    buffer = io.StringIO()
    metadata: Mapping[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with mpl.rc_context({"svg.hashsalt": prefix}):
        canvas.savefig(buffer, format="svg", metadata=dict(metadata))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = re.sub(r"font-family: [^;\"]*", f"font-family: {_FONT}", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    opened = text.index(">") + 1
    view = re.search(r'viewBox="[^"]*"', text[:opened])
    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {view.group() if view else ""} role="img">'
    return Svg(f"{head}<title>{escape(alt)}</title>{text[opened:]}", alt)
