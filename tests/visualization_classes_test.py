import numpy as np
import pytest

from axial_deeplab.visualization_classes import ClassifiedImage, class_sheet

GREEN, RED = (26, 127, 55), (207, 34, 46)


def _sheet(*predicted, truth="cat", is_right=True):
    image = np.full((20, 40, 3), 90.0)
    return class_sheet([ClassifiedImage(image, truth, predicted, is_right)])


def _has(sheet, colour):
    return bool((sheet == colour).all(axis=-1).any())


def test_image_is_magnified_beside_its_names():
    sheet = _sheet(("cat", 0.9), ("dog", 0.1))
    assert sheet.dtype == np.uint8
    # 40 pixels become 160, below a line of titles.
    assert (sheet[18 : 18 + 80, :160] == 90).all()
    assert (sheet[18 : 18 + 80, 160:].min(axis=(0, 2)) < 90).any()
    assert not (sheet[18 : 18 + 80, 160:166] != 255).any()


@pytest.mark.parametrize(
    "first, is_right, colour",
    [("cat", True, GREEN), ("dog", False, RED), ("cat", False, RED)],
)
def test_right_and_wrong_have_colours(first, is_right, colour):
    """Also of two classes of one name."""
    sheet = _sheet((first, 0.9), ("cow", 0.1), is_right=is_right)
    assert _has(sheet, colour)
    assert _has(sheet, GREEN) != _has(sheet, RED)


def test_rows_of_other_sizes_follow():
    rows = [
        ClassifiedImage(np.full((height, 200, 3), n), "a", [("a", 1.0)], True)
        for n, height in ((60, 10), (120, 50))
    ]
    sheet = class_sheet(rows)
    # The first is lower than a line of text.
    assert (sheet[18:28, :200] == 60).all()
    second = 18 + 16 + 6
    assert (sheet[second : second + 50, :200] == 120).all()
    assert len(sheet) == second + 50 + 6


def test_long_names_stay_in_their_column():
    names = ["word " * 30, "x" * 200]
    sheet = _sheet((names[0], 0.5), (names[1], 0.25), truth=names[0])
    left = 166 + 190
    assert (sheet[18:, left - 6 : left] == 255).all()
    assert (sheet[18:, -6:] == 255).all()
    assert (sheet[18:50, left:-6] != 255).any()
