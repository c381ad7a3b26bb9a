"""A report is one file that anybody can open, and nothing that is put into it can break out of its place."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from arc.core.errors import BadData
from arc.kit import figures
from arc.kit.figures import Curve
from arc.kit.report import Code, Facts, Figure, ImageGrid, Number, Report, Section, Table, Text, Tile, render, shown, write

EVIL = '</style></title><script>alert(1)</script><img src=x onerror="alert(1)">\'"&{{ 7*7 }}'
PIXELS = np.zeros((4, 5, 3), dtype=np.uint8)


def every_figure(word: str) -> list[figures.Svg]:
    return [
        figures.curves([Curve(word, [1, 2], [0.5, None]), Curve("b", [1], [1])], x_label=word, y_label=word, name=word, mark=(1, word)),
        figures.roc([0, 0.5, 1], [0, 1, 1], name="roc", auc=(0.75, 0.6, 0.9), point=(0.5, 1.0, word)),
        figures.confusion([[3, 1], [0, 0]], [word, "b"], name="confusion"),
        figures.calibration(
            [0.2, None, 0.8],
            [0.1, None, 0.9],
            name="calibration",
            low=[0, None, 0.7],
            high=[0.3, None, 1],
            counts=[5, 0, 9],
            before=([0.1], [0.3]),
        ),
        figures.decision_curve([0.2, 0.5], [0.3, 0.1], [0.2, -0.4], name="decision", low=[0.1, 0], high=[0.4, 0.2], mark=0.3),
    ]


def full(word: str) -> Report:
    tile = Tile(figures.png(PIXELS), word, alt=word, tone="bad")
    return Report(
        title=word,
        verdict=word,
        tone="good",
        subtitle=word,
        numbers=[Number(word, 0.5, 0.4, 0.6, note=word), Number(word, None, note=word), Number(word, word), Number(word, 3)],
        sections=[
            Section(
                word, [Text(word), *(Figure(svg, word, word) for svg in every_figure(word)), Table([word, "n"], [[word, 1.5]], word)], word
            ),
            Section(word, [ImageGrid([tile], word, word), Code(word, word), Facts([(word, word), ("x", [1, True])])]),
        ],
        not_shown=[word],
        footer=[word],
    )


class Page(HTMLParser):
    """The tags and attributes of a page, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.text += data


def parsed(report: Report) -> Page:
    page = Page()
    page.feed(render(report))
    return page


def test_nothing_given_becomes_markup():
    evil, tame = parsed(full(EVIL)), parsed(full("word"))
    assert [tag for tag in evil.tags if tag != "tspan"] == [tag for tag in tame.tags if tag != "tspan"]
    assert "script" not in evil.tags
    assert not [name for name, _ in evil.attributes if name.startswith("on")]
    assert "49" not in evil.text
    assert EVIL in evil.text


def test_the_file_needs_no_network_and_allows_itself_none():
    text = render(full("word"))
    page = parsed(full("word"))
    assert "default-src 'none'" in text
    references = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action", "data")]
    assert references
    assert all(value.startswith(("data:image/", "#")) for value in references)
    assert not re.search(r"@import|url\((?!#)", text)
    assert "link" not in page.tags


def test_ids_are_unique_so_that_drawings_do_not_cut_each_other():
    ids = [value for name, value in parsed(full("word")).attributes if name == "id"]
    assert len(ids) == len(set(ids)) > 20


@pytest.mark.parametrize("svg", every_figure("a $x$ <b> & 'c'"), ids=["curves", "roc", "confusion", "calibration", "decision"])
def test_a_drawing_takes_its_colours_from_the_page(svg):
    root = ElementTree.fromstring(svg.markup)
    assert "var(--accent" in svg.markup
    colors = set(re.findall(r"(?:fill|stroke): ?(#[0-9a-f]{3,6})", svg.markup))
    assert not colors, "matplotlib's own colour shows in the dark"
    assert root.get("viewBox")
    assert root.find("{http://www.w3.org/2000/svg}title").text == svg.alt


def test_the_same_report_is_the_same_bytes(tmp_path):
    write(tmp_path / "a.html", full("word"))
    write(tmp_path / "b.html", full("word"))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_an_empty_report_and_empty_figures_are_drawn():
    assert "Not shown" not in render(Report(title="t", verdict="v"))
    assert "no data" in figures.curves([Curve("a", [1], [None])], x_label="x", y_label="y", name="n").alt
    assert "not available" in figures.roc([0, 1], [0, 1], name="n").alt
    figures.calibration([], [], name="n", counts=[])
    render(Report(title="t", verdict="v", sections=[Section("s", [Table(["a"], []), ImageGrid([]), Facts([])])]))


def test_wrong_pictures_and_matrices_are_refused():
    with pytest.raises(BadData, match="PNG or JPEG"):
        render(Report(title="t", verdict="v", sections=[Section("s", [ImageGrid([Tile(b"<svg onload=alert(1)>", "x")])])]))
    with pytest.raises(BadData, match="uint8"):
        figures.png(np.zeros((2, 2, 4), dtype=np.uint8))
    with pytest.raises(BadData, match="uint8"):
        figures.png(np.zeros((2, 2)))
    with pytest.raises(BadData, match="confusion"):
        figures.confusion([[1, 2]], ["a", "b"], name="n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (True, "yes"),
        (0.12345, "0.123"),
        (-0.5, "−0.500"),
        (1e-5, "1e-05"),
        (0.0, "0.000"),
        (9999, "9999"),
        (1234567, "1\u202f234\u202f567"),
        ([1, 2.0], "1, 2.000"),
        ("x", "x"),
    ],
)
def test_values_as_people_read_them(value, text):
    assert shown(value, 3) == text


def test_numbers_of_a_column_stand_to_the_right_also_when_one_is_missing():
    text = render(Report(title="t", verdict="v", sections=[Section("s", [Table(["name", "value"], [["a", 1.5], ["b", None]])])]))
    assert text.count('class="numeric"') == 3
