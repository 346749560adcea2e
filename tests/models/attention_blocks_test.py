import functools

import numpy as np
import pytest
import tf_keras

from axial_deeplab.models.attention_blocks import (
    BlockAttention,
    attention_blocks,
)
from axial_deeplab.models.image_classifier import ImageClassifier
from tests.models import tiny_models

NAMES = [f"res{level}_block0" for level in (2, 3, 4, 5)]


@pytest.fixture(scope="module")
def model():
    return tiny_models.settle(tiny_models.tiny_panoptic(span=5, axial_from=4))


@pytest.fixture(scope="module")
def attention(model):
    """`BlockAttention` by block; each traces the model once for all tests."""
    return functools.cache(lambda block: BlockAttention(model, block))


def _image(height, width):
    return tiny_models.images(height, width)[0].numpy()


def test_blocks_are_those_of_the_backbone_in_their_order(model):
    blocks = attention_blocks(model)
    assert list(blocks) == NAMES
    for block, layers in zip(
        blocks.values(), model.backbone.levels.values(), strict=True
    ):
        assert block is layers[0].spatial


def test_blocks_of_one_name_are_numbered():
    backbone = tiny_models.tiny_backbone()
    for layers in backbone.levels.values():
        layers[0]._name = "block"
    assert list(attention_blocks(ImageClassifier(backbone, 3))) == [
        f"block_{number}" for number in (1, 2, 3, 4)
    ]


@pytest.mark.parametrize("size", [(70, 85), (65, 33)])
@pytest.mark.parametrize("block", NAMES[1:3])
def test_maps_are_those_of_the_layers_in_the_model(
    model, attention, block, size
):
    """Both blocks halve the map: the width axis sees half the rows."""
    image, (row, column) = _image(*size), (30, 19)
    maps = attention(block).maps(image, row, column)
    assert maps.name == block
    level, stride = block[3], {"3": 4, "4": 8}[block[3]]
    previous = model.backbone(image[None])[str(int(level) - 1)]
    unit = model.backbone.levels[level][0]
    x = unit.reduce(previous)
    for axis, layer, strides, place in (
        (maps.height, unit.spatial.height, (stride, stride), row),
        (maps.width, unit.spatial.width, (2 * stride, stride), column),
    ):
        assert axis.strides_px == strides
        assert axis.query == round(place / stride)
        expected = layer.attention_weights(x, [axis.query])[0, :, 0]
        np.testing.assert_allclose(axis.weights, expected, atol=1e-5)
        x = layer(x)[:, ::2]


def test_last_block_and_last_pixel(attention):
    maps = attention("").maps(_image(47, 50), 46, 49)
    assert maps.name == NAMES[-1]
    assert maps.height.weights.shape == (2, 3, 4)
    assert maps.height.query == 2 and maps.width.query == 3
    np.testing.assert_allclose(maps.height.weights.sum(1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(maps.width.weights.sum(2), 1.0, rtol=1e-5)


def test_map_that_was_resized_has_a_stride_of_its_own():
    backbone = tiny_models.tiny_backbone()
    resize = tf_keras.layers.Resizing(5, 11)
    backbone.levels["5"].insert(0, lambda x, training: resize(x))
    maps = BlockAttention(backbone, NAMES[-1]).maps(_image(33, 41), 16, 40)
    assert maps.height.strides_px == (8, 4)
    assert (maps.height.query, maps.width.query) == (2, 10)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("stem", 0, 0), "no block 'stem'; it has res2_block0, res3_block0, "),
        (("", 20, 0), "row must be 0 to 19; got 20"),
        (("", 0, -1), "column must be 0 to 29; got -1"),
    ],
)
def test_mistake_is_named(attention, arguments, message):
    block, *place = arguments
    with pytest.raises(ValueError, match=message):
        attention(block).maps(_image(20, 30), *place)


def test_model_without_attention_is_named():
    model = tf_keras.Sequential([tf_keras.layers.Conv2D(2, 3)], name="plain")
    with pytest.raises(ValueError, match="'plain' has no axial attention"):
        attention_blocks(model)


@pytest.mark.parametrize("block", ["", "res3_block0"])
def test_two_hops_are_what_reaches_a_pixel(attention, block):
    """A row of the product of both axes' attention, spelled out."""
    image = np.random.default_rng(3).integers(0, 256, (40, 61, 3))
    maps = attention(block).maps(image, 17, 30)
    found = maps.two_hops()
    row = maps.width.query
    expected = np.zeros_like(found)
    height, width = maps.height.weights, maps.width.weights
    line = round(maps.height.query * width.shape[1] / height.shape[1] - 0.25)
    for column in range(found.shape[1]):
        share = width[:, line, column].mean()
        expected[:, column] = share * height[:, :, column].mean(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.sum() == pytest.approx(1, abs=1e-5) and row < found.shape[1]
