import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model
from axial_deeplab.backbones.axial_resnet import (
    AXIAL_RESNETS,
    FULL_AXIAL_RESNETS,
)
from axial_deeplab.layers.mixers import AxialMixer
from tests.models.tiny_models import assert_near, images, settle

SHALLOW, DEEP = (1, 2, 4, 1), (3, 4, 6, 3)
WIDTHS = {"s": 0.5, "m": 0.75, "l": 1.0}


def _rows(table):
    return {name: (row.blocks, row.width) for name, row in table.items()}


def test_rows_with_a_convolutional_stem_are_the_papers():
    expected = {f"axial_resnet_{k}": (DEEP, w) for k, w in WIDTHS.items()}
    expected |= {
        f"axial_resnet_26_{k}": (SHALLOW, w) for k, w in WIDTHS.items()
    }
    expected["axial_resnet_xl"] = (DEEP, 2.0)
    rows = _rows(AXIAL_RESNETS)
    assert {name: rows[name] for name in expected} == expected
    # Besides the papers' there is one for a CPU.
    assert set(rows) - set(expected) == {"axial_resnet_xs"}
    for row in AXIAL_RESNETS.values():
        mixer = dataclasses.replace(row.mixer, heads=8)
        assert mixer == AxialMixer() and row.stem is not None


def test_full_rows_are_the_papers():
    expected = {}
    for key, width in WIDTHS.items():
        expected[f"full_axial_resnet_{key}"] = (3, *DEEP), width
        expected[f"full_axial_resnet_26_{key}"] = (3, *SHALLOW), width
    rows = _rows(FULL_AXIAL_RESNETS)
    assert {name: rows[name] for name in expected} == expected
    assert set(rows) - set(expected) == {"full_axial_resnet_xs"}
    for row in FULL_AXIAL_RESNETS.values():
        mixer = dataclasses.replace(row.mixer, heads=8)
        assert mixer == AxialMixer(span=15) and row.stem is None


@pytest.fixture(scope="module")
def full():
    """The full model of the smallest width that eight heads divide."""
    row = FULL_AXIAL_RESNETS["full_axial_resnet_26_s"]
    backbone = type(row)(row.blocks, 0.25, stem=None, mixer=row.mixer).build()
    backbone(tf.zeros([1, 9, 9, 3]))
    return backbone


def test_the_stem_is_three_axial_blocks_on_the_image(full):
    stem = full.levels["1"]
    assert full.stem is None
    assert [block.stride for block in stem] == [2, 1, 1]
    assert stem[0].reduce.conv.kernel.shape == (1, 1, 3, 16)
    assert stem[0].shortcut.conv.kernel.shape == (1, 1, 3, 32)
    assert {block.spatial.height.span for block in stem} == {15}
    # No pool: the next level strides instead.
    assert [block.stride for block in full.levels["2"]] == [2]


def test_levels_have_their_strides(full):
    sizes = {k: x.shape[1:3] for k, x in full(tf.zeros([1, 35, 33, 3])).items()}
    assert sizes == {
        "1": (18, 17),
        "2": (9, 9),
        "3": (5, 5),
        "4": (3, 3),
        "5": (2, 2),
    }


def test_the_pooled_form_at_stride_16():
    """Nothing is averaged in level "5", whose weights stay the same."""
    name, options = "pooled_axial_resnet_26_s_backbone", {"width": 0.125}
    coarse = create_model(name, **options)
    settle(coarse)
    fine = create_model(name, output_stride=16, **options)
    fine.set_weights(coarse.get_weights())
    x = images(97, 70)
    expected, found = coarse(x), fine(x)
    for level in "234":
        np.testing.assert_array_equal(found[level], expected[level])
    (block,) = coarse.levels["5"]
    y = x = found["4"]
    y = block.reduce(y)
    for attention in (block.spatial.height, block.spatial.width):
        y = attention(y)
    y = block.expand(tf.nn.relu(y))
    # The shortcut's own convolution, at every place.
    shortcut = tf.nn.conv2d(x, block.shortcut.conv.kernel, 1, "VALID")
    y += block.shortcut.batch_norm(shortcut)
    assert_near(found["5"], tf.nn.relu(y))
    assert found["5"].shape[1:3] == found["4"].shape[1:3] == (7, 5)
    assert expected["5"].shape[1:3] != found["5"].shape[1:3]
