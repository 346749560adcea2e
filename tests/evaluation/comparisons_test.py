import math

import numpy as np
import pytest
from PIL import Image

from axial_deeplab.evaluation import error_pictures
from axial_deeplab.evaluation.comparisons import (
    Beside,
    LabelStyle,
    Photographs,
    label_comparison,
    panoptic_comparison,
)
from axial_deeplab.evaluation.error_pictures import (
    NOT_COUNTED,
    RIGHT,
    WRONG_CLASS,
    WRONG_SEGMENT,
    thinned,
)
from axial_deeplab.evaluation.image_pool import FilePair
from axial_deeplab.evaluation.panoptic_files import PanopticPair
from axial_deeplab.evaluation.run_lengths import segment_overlaps
from axial_deeplab.evaluation.worst_images import (
    WorstImages,
    WorstPanopticImages,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _segment(key, category):
    return {"id": key, "category_id": category, "iscrowd": 0, "area": 4}


def test_the_worst_images_are_kept_in_order():
    worst = WorstImages(3)
    scores = {"a": 0.5, "b": 0.1, "c": math.nan, "d": 0.9, "e": 0.1, "f": 0}
    for name, score in scores.items():
        worst.add(name, score)
    assert worst.worst_first() == [("f", 0), ("b", 0.1), ("e", 0.1)]
    nothing = WorstImages(0)
    nothing.add("a", 0.5)
    assert nothing.worst_first() == []


def test_panoptic_quality_ranks_images():
    worst = WorstPanopticImages(2, [{"id": 7, "isthing": 1}])
    truth = np.array([[1, 1, 1, 1]])
    for name, columns in (("good", 4), ("bad", 2), ("fair", 3)):
        found = np.array([[5] * columns + [0] * (4 - columns)])
        overlaps = segment_overlaps(truth, found)
        segments = [_segment(1, 7)], [_segment(5, 7)]
        worst.update_overlaps(overlaps, *segments, image_id=name)
    assert worst.worst_first() == [("bad", 0.0), ("fair", 0.75)]


def test_errors_of_labels():
    truth, found = np.array([[1, 1, 9]]), np.array([[1, 2, 1]])
    picture = error_pictures.label_errors(truth, found, truth != 9)
    assert picture.tolist() == [[[*RIGHT], [*WRONG_CLASS], [*NOT_COUNTED]]]


def test_errors_of_segments():
    """1 is found as 5; 2 is split into 6 and 7, 8 has another class."""
    truth = np.array([[1, 1, 1, 1, 2, 2, 2, 2, 0, 9]])
    found = np.array([[5, 5, 5, 0, 6, 6, 7, 8, 8, 5]])
    truths = [_segment(1, 3), _segment(2, 3)]
    founds = [_segment(5, 3), _segment(6, 3), _segment(7, 3), _segment(8, 4)]
    maps = (truth, truths), (found, founds)
    matched = error_pictures.matched_pairs(*maps)
    assert matched == {(1, 5)}
    picture = error_pictures.segment_errors(*maps, matched)[0].tolist()
    expected = [RIGHT] * 3 + [WRONG_CLASS] + [WRONG_SEGMENT] * 3
    expected += [WRONG_CLASS] + [NOT_COUNTED] * 2
    assert picture == [list(colour) for colour in expected]


def test_segments_have_their_colours_and_borders():
    ids = np.array([[1, 1, 2], [1, 1, 2]])
    picture = error_pictures.segment_picture(
        ids, [_segment(1, 3), _segment(2, 9)], {3: RED}
    )
    white, black = [255] * 3, [0] * 3
    assert picture[0].tolist() == [list(RED), list(RED), white]
    assert error_pictures.label_picture(ids, {1: BLUE})[0, 2].tolist() == black


def test_large_maps_are_thinned():
    ids = np.arange(12).reshape(2, 6)
    assert thinned(ids, 6) is not ids and thinned(ids, 6).shape == (2, 6)
    assert thinned(ids, 3).tolist() == [[0, 2, 4]]


NOTHING = Photographs(None)


def test_photographs_are_found_by_name(tmp_path):
    (tmp_path / "ulm").mkdir()
    image = Image.fromarray(np.full((2, 3, 3), 7, np.uint8))
    image.save(tmp_path / "ulm" / "ulm_1_2_leftImg8bit.png")
    (tmp_path / "broken.jpg").write_text("none")
    photographs = Photographs(tmp_path)
    assert photographs.find("ulm_1_2").tolist() == [[[7] * 3] * 3] * 2
    assert photographs.find("ulm_1_3") is None
    assert Photographs(None).find("ulm_1_2") is None
    with pytest.raises(ValueError, match="broken.jpg is no readable photo"):
        photographs.find("broken")
    with pytest.raises(FileNotFoundError, match="no folder .*none"):
        Photographs(tmp_path / "none")


def test_label_files_side_by_side(tmp_path):
    truth, found = tmp_path / "a.png", tmp_path / "b.png"
    Image.fromarray(np.array([[1, 2, 0]], np.uint8)).save(truth)
    Image.fromarray(np.array([[0, 0, 1]], np.uint8)).save(found)
    style = LabelStyle(
        {0: "hat", 1: "coat", 2: "shoe"},
        {0: RED, 1: BLUE, 2: (1, 2, 3)},
        {0, 1},
        lambda x: x.astype(int) - 1,
    )
    one = label_comparison(
        FilePair("street/5.png", truth, found),
        0.5,
        style,
        Beside(NOTHING, NOTHING),
    )
    assert one.title == "street/5.png: 50.0 % of the pixels are right"
    assert list(one.pictures) == ["truth", "prediction", "errors"]
    assert one.key == {"hat": RED, "coat": BLUE}
    assert one.pictures["truth"].tolist() == [[[*RED], [*BLUE], [0, 0, 0]]]
    assert one.pictures["errors"].tolist() == [
        [[*RIGHT], [*WRONG_CLASS], [*NOT_COUNTED]]
    ]


def test_matches_are_those_of_the_whole_maps(tmp_path):
    """Of 1400 columns every third is shown; areas are those of the files."""
    ids = np.ones((2, 1400), int)
    segment = _segment(1, 3) | {"area": 2800}
    pair = PanopticPair(
        8, "5", lambda: (ids, [segment]), lambda: (ids, [segment])
    )
    Image.fromarray(np.full((2, 3, 3), 7, np.uint8)).save(tmp_path / "5.png")
    categories = [{"id": 3, "color": RED}, {"id": 4}]
    folders = Photographs(tmp_path), Photographs(tmp_path)
    one = panoptic_comparison(pair, 1.0, categories, Beside(*folders))
    assert one.key == {"3": RED}
    assert one.title == "8: PQ 100.0"
    captions = ["photograph", "truth", "prediction", "errors", "attention"]
    assert list(one.pictures) == captions
    errors = one.pictures["errors"]
    assert errors.shape == (1, 467, 3)
    assert (errors == RIGHT).all()
