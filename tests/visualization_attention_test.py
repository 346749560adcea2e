import dataclasses

import numpy as np
import pytest

from axial_deeplab import visualization_attention
from axial_deeplab.models.attention_blocks import AxisMaps, BlockMaps

STRIDE = 16


def _maps(heads, size, place=(1, 2)):
    """Height and width attention with one heavy key a head, at `place`."""
    weights = np.full((heads, *size), 1e-3, np.float32)
    weights[:, place[0], place[1]] = 0.5
    strides = (STRIDE, STRIDE)
    return BlockMaps(
        "res4_block1",
        AxisMaps(weights, 0, strides),
        AxisMaps(weights, 0, strides),
    )


def _image(height, width):
    return np.full((height, width, 3), 60, np.uint8)


def _boxes(mask):
    """(top, left, height, width) of the connected rectangles of a mask."""
    boxes, rest = [], mask.copy()
    while rest.any():
        top, left = np.argwhere(rest)[0]
        height = int(np.argmin(np.append(rest[top:, left], False)))
        width = int(np.argmin(np.append(rest[top, left:], False)))
        rest[top : top + height, left : left + width] = False
        boxes.append((top, left, height, width))
    return boxes


def _large_boxes(mask):
    """Without the scale of the legend, which is 20 pixels high."""
    return [box for box in _boxes(mask) if min(box[2:]) > 30]


def _is_red(picture):
    return (picture[..., 0] > 190) & (picture[..., 1:].max(axis=-1) < 60)


def _is_pale_image(picture):
    """What 60 becomes, with the faintest red on it or none."""
    pale = 255 - 0.45 * (255 - 60)
    return np.abs(picture.astype(float) - pale).max(axis=-1) < 6


@pytest.mark.parametrize("heads, lines", [(1, 1), (6, 2)])
def test_each_head_shows_its_heaviest_key_where_it_is(heads, lines):
    """Cell (1, 2) of a 4x6 map is a box 16 pixels wide around (16, 32)."""
    picture = visualization_attention.attention_picture(
        _image(49, 81), _maps(heads, (4, 6)), "model"
    )
    red = _large_boxes(_is_red(picture))
    assert len(red) == 2 * heads
    sizes = np.array([box[2:] for box in red])
    assert np.ptp(sizes, axis=0).max() <= 1
    assert abs(sizes[0, 0] - sizes[0, 1]) <= 1
    # From the first key up to the queries, and left to the border.
    top, left, height, width = red[0]
    pale = _is_pale_image(picture)
    above = pale[:top, left + width // 2][::-1]
    beside = pale[top + height // 2, :left][::-1]
    scale = width / STRIDE
    assert np.argmin(above) == pytest.approx(8 * scale, abs=2)
    assert np.argmin(beside) == pytest.approx(24.5 * scale, abs=2)
    tops = sorted({box[0] for box in red})
    assert len(tops) == 2 * lines


def test_weights_are_relative_to_the_largest_of_the_head():
    maps = _maps(1, (4, 6))
    weak = dataclasses.replace(maps.height, weights=maps.height.weights / 7)
    pictures = [
        visualization_attention.attention_picture(_image(49, 81), one, "m")
        for one in (maps, dataclasses.replace(maps, height=weak))
    ]
    first, second = (_large_boxes(_is_red(one)) for one in pictures)
    assert first == second
    assert (pictures[0] != pictures[1]).any()  # the printed largest weight


@pytest.mark.parametrize("size", [(300, 5), (20, 900)])
def test_any_size_has_a_picture_of_moderate_size(size):
    image = _image(*size)
    image[0, 0] = 200
    shape = tuple(-(-side // STRIDE) for side in size)
    picture = visualization_attention.attention_picture(
        image, _maps(8, shape, (0, 0)), "model"
    )
    assert picture.dtype == np.uint8 and picture.shape[2] == 3
    assert 500 < max(picture.shape) < 2500
    assert _is_red(picture).any()


def test_two_hops_are_red_where_they_are_heavy_and_blue_at_the_pixel():
    heavy = np.full((2, 4, 6), 1e-6, np.float32)
    heavy[:, 1, 2] = 1
    even = np.full((2, 4, 6), 0.2, np.float32)
    strides = (STRIDE, STRIDE)
    maps = BlockMaps(
        "last", AxisMaps(heavy, 3, strides), AxisMaps(even, 5, strides)
    )
    picture = visualization_attention.two_hop_picture(_image(60, 90), maps)
    assert picture.shape == (60, 90, 3) and picture.dtype == np.uint8
    y, x = np.argwhere(_is_red(picture)).T
    assert (y.min(), y.max(), x.min(), x.max()) == (8, 23, 24, 39)
    blue = (picture == (0x15, 0x60, 0xD4)).all(-1)
    assert np.argwhere(blue).mean(axis=0) == pytest.approx([48, 80], abs=0.5)
