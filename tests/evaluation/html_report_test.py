import base64
import html.parser
import io

import numpy as np
from PIL import Image

from axial_deeplab.evaluation.html_report import (
    Comparison,
    Confusion,
    Page,
    Training,
    write_html,
)
from axial_deeplab.evaluation.tables import Table

TABLE = Table("classes", ("class", "IoU"), [("a<b> & c", 0.25)], note="<none>")


class _Parsed(html.parser.HTMLParser):
    """Texts, tags and addresses of a page."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.tags, self.sources = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        self.sources += [named[k] for k in ("src", "href") if k in named]

    def handle_data(self, data):
        if self.tags[-1] != "script":
            self.texts.append(data)


def _page(tmp_path, **options):
    page = Page("A <title>", [TABLE], **options)
    write_html(tmp_path / "page.html", page)
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]
    return _Parsed((tmp_path / "page.html").read_text())


def test_text_is_escaped(tmp_path):
    page = _page(tmp_path)
    assert {"A <title>", "a<b> & c", "25.00", "<none>"} <= set(page.texts)
    assert not {"b", "img", "link"} & set(page.tags)


def test_confusions_are_shares_of_the_truth(tmp_path):
    pixels = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 5]])
    rows = ("road", "sky", "car")
    confusion = Confusion(rows, (*rows, "(none)"), pixels)
    texts = _page(tmp_path, confusion=confusion).texts
    matrix = texts[texts.index("Confusion matrix") + 2 :]
    assert [text for text in matrix if text.strip()] == [
        *("road", "sky", "(none)"),
        *("road", "75", "25"),
        *("car", "100"),
    ]


def test_pictures_are_inside_the_page(tmp_path):
    drawing = np.zeros((4, 6, 3), np.uint8)
    drawing[1, 2] = 7, 8, 9
    photograph = np.random.default_rng(0).integers(0, 256, (40, 60, 3))
    comparison = Comparison(
        "image 5: PQ 3.0",
        {"photograph": photograph.astype(np.uint8), "truth": drawing},
        {"a<b>": (7, 8, 9)},
    )
    page = _page(tmp_path, comparisons=[comparison], legend="red is wrong")
    expected = {"image 5: PQ 3.0", "truth", "red is wrong", "a<b>"}
    assert expected <= set(page.texts)
    assert "background:rgb(7, 8, 9)" in (tmp_path / "page.html").read_text()
    kinds = [source.split(",")[0] for source in page.sources]
    assert kinds == ["data:image/jpeg;base64", "data:image/png;base64"]
    content = base64.b64decode(page.sources[1].split(",")[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), drawing)


def test_training_shows_settings_and_curves(tmp_path):
    curves = np.full((5, 9, 3), 200, np.uint8)
    page = _page(tmp_path, training=Training("steps: <5>\nseed: 1", curves))
    assert "steps: <5>\nseed: 1" in page.texts
    assert [one[:22] for one in page.sources] == ["data:image/png;base64,"]
