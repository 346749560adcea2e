import ast
import pathlib

import numpy as np
import pytest
from PIL import Image

from axial_deeplab import visualization
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.data.synthetic_shapes import render_scene

SPEC = dataset_spec("shapes")
STRIPES, CHECKS, DISC = (
    SPEC.class_by_id[i].id * SPEC.label_divisor for i in (0, 1, 4)
)
WHITE = (255, 255, 255)


def test_stuff_void_and_borders():
    panoptic = np.array(
        [
            [STRIPES, STRIPES, CHECKS],
            [STRIPES, STRIPES, CHECKS],
            [STRIPES, STRIPES, SPEC.void_id],
        ]
    )
    picture = visualization.colour_panoptic(panoptic, SPEC)
    assert picture.dtype == np.uint8
    stripes, checks = SPEC.classes[0].colour, SPEC.classes[1].colour
    expected = [
        [stripes, WHITE, checks],
        [stripes, WHITE, WHITE],
        [stripes, WHITE, (0, 0, 0)],
    ]
    np.testing.assert_array_equal(picture, expected)


@pytest.mark.parametrize("name", ["shapes", "coco_panoptic"])
def test_instances_of_a_class_have_distinguishable_tints(name):
    spec = dataset_spec(name)
    for thing in spec.thing_ids:
        # Far apart, so that no pixel of the first row is a border.
        ids = thing * spec.label_divisor + np.arange(1, 9)
        panoptic = np.repeat(np.repeat(ids[None], 2, axis=0), 2, axis=1)
        row = visualization.colour_panoptic(panoptic, spec)[0, ::2].astype(int)
        distance = np.abs(row[:, None] - row[None]).sum(axis=-1)
        assert distance[~np.eye(8, dtype=bool)].min() >= 20, thing


def test_crowd_has_the_plain_colour_of_its_class():
    picture = visualization.colour_panoptic(np.array([[DISC]]), SPEC)
    assert tuple(picture[0, 0]) == SPEC.class_by_id[4].colour


def test_overlay_mixes_and_leaves_void():
    panoptic = np.array([[STRIPES] * 3 + [SPEC.void_id] * 2])
    image = np.full((1, 5, 3), 100, np.uint8)
    picture = visualization.overlay(image, panoptic, SPEC, alpha=0.25)
    mixed = np.rint(75 + 0.25 * np.array(SPEC.classes[0].colour))
    np.testing.assert_array_equal(picture[0, 0], mixed)
    np.testing.assert_array_equal(picture[0, 2], WHITE)
    np.testing.assert_array_equal(picture[0, 3:], image[0, 3:])


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"\[2, 2, 3\] and \[2, 3\]"):
        visualization.overlay(
            np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3), int), SPEC
        )
    with pytest.raises(ValueError, match=r"is \[H, W\]; got \[1, 2, 3\]"):
        visualization.colour_panoptic(np.zeros((1, 2, 3), int), SPEC)
    with pytest.raises(ValueError, match="5120 has the class 20, which shapes"):
        visualization.colour_panoptic(np.array([[20 * 256]]), SPEC)


def test_contact_sheet_shows_image_truth_and_prediction():
    (image, truth), (_, other) = (render_scene(i, (40, 50)) for i in range(2))
    rows = [(image, truth, other), (image[:20], truth[:20], truth[:20])]
    sheet = visualization.contact_sheet(rows, SPEC, scale=2)

    def shows(picture, top, left):
        large = picture.repeat(2, axis=0).repeat(2, axis=1)
        height, width, _ = large.shape
        np.testing.assert_array_equal(
            sheet[top : top + height, left : left + width], large
        )

    top, step = 16, 104  # below the captions; 2 * 50 px and a gap
    shows(image, top, 0)
    shows(visualization.colour_panoptic(truth, SPEC), top, step)
    shows(visualization.colour_panoptic(other, SPEC), top, 2 * step)
    shows(image[:20], top + 84, 0)
    legend = sheet[top + 84 + 44 :]
    colours = set(map(tuple, legend.reshape(-1, 3)))
    for value in np.unique([truth, other]):
        if value != SPEC.void_id:
            assert SPEC.class_by_id[value // 256].colour in colours


def test_training_curves_draws_a_line_for_every_entry(tmp_path):
    path = tmp_path / "curves.png"
    history = {"loss": [(0, 2.0), (10, 1.0)], "PQ": [], "rate": [(0, 1e-3)]}
    visualization.training_curves(history, path)
    drawn = np.asarray(Image.open(path))
    visualization.training_curves({**history, "loss": []}, path)
    empty = np.asarray(Image.open(path))
    assert drawn.shape == empty.shape
    assert (drawn != empty).any(axis=-1).sum() > 100
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_nothing_to_plot_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no training curves"):
        visualization.training_curves({}, tmp_path / "curves.png")


def test_failed_write_leaves_the_old_picture(tmp_path):
    path = tmp_path / "a.png"
    visualization.write_png(path, np.zeros((2, 2, 3), np.uint8))
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        visualization.write_png(path, np.zeros((2, 2, 3, 4), np.float64))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_matplotlib_is_imported_on_demand_only():
    # sys.modules cannot tell: TensorFlow imports matplotlib by itself.
    tree = ast.parse(pathlib.Path(visualization.__file__).read_text())
    imports = [
        n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    names = [getattr(n, "module", None) or n.names[0].name for n in imports]
    assert "numpy" in names
    assert not any(name.startswith("matplotlib") for name in names)


def test_names_stand_inside_segments_large_enough():
    spec = dataset_spec("shapes")
    panoptic = np.zeros((60, 120), np.int32)
    thing = min(spec.thing_ids) * spec.label_divisor
    panoptic[20:50, 60:] = thing + 1
    panoptic[:3, :3] = thing + 2  # no room for a name
    panoptic[55:] = spec.void_id
    picture = np.full((60, 120, 3), 100, np.uint8)
    named = visualization.name_segments(picture, panoptic, spec)
    changed = (named != picture).any(axis=-1)
    assert changed[20:50, 60:].any() and changed[panoptic == 0].any()
    assert not changed[:3, :3].any() and not changed[55:].any()
    assert (picture == 100).all()
