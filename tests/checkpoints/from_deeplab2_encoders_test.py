"""Encoders of DeepLab2's zoo, imported, against slow loops by key."""

import dataclasses
import json
import math
import types

import numpy as np
import pytest

from axial_deeplab import create_model
from axial_deeplab.backbones.mobilenet import MOBILENETS
from axial_deeplab.backbones.published_resnets import PUBLISHED_RESNETS
from axial_deeplab.checkpoints import from_deeplab2
from axial_deeplab.checkpoints.weight_map import restore_weights
from tests.checkpoints.deeplab2_golden import ENDING
from tests.golden import assert_close_to_largest, golden_path
from tests.reference import deeplab2_encoders
from tests.reference.deeplab2_keys import encoder_shapes, model_shapes

# Numbers of all parameters and of variables in the public implementation, of
# the encoder and of the whole panoptic model of 19 classes.
SIZES = {
    "resnet_50_unpooled": (23_561_152, 265, 55_038_534, 421),
    "resnet_50_beta": (23_685_312, 275, 55_162_694, 431),
    "max_deeplab_s": (41_487_808, 491, 42_939_462, 597),
    "axial_swidernet_1_1_1": (136_592_768, 370, 138_044_422, 476),
    "axial_swidernet_1_1_3": (394_529_408, 1054, 395_981_062, 1160),
    "axial_swidernet_1_1_4.5": (571_209_856, 1520, 572_661_510, 1626),
    "wide_resnet_41": (109_072_832, 225, 140_550_214, 381),
    "swidernet_sac_1_1_1": (113_011_139, 243, 144_488_521, 399),
    "swidernet_sac_1_1_3": (345_217_481, 609, 376_694_863, 765),
    "swidernet_sac_1_1_4.5": (504_744_397, 863, 536_221_779, 1019),
    "mobilenet_v3_small": (939_120, 206, 10_508_022, 362),
    "mobilenet_v3_large": (2_996_352, 262, 18_272_646, 418),
}
_BLOCKS = (1, 1, 1, 1, 3)


@pytest.mark.parametrize("name", SIZES)
def test_described_keys_have_the_public_sizes(name):
    encoder, whole = encoder_shapes(name), model_shapes(name)
    found = [
        (sum(map(math.prod, shapes.values())), len(shapes))
        for shapes in (encoder, whole)
    ]
    assert (*found[0], *found[1]) == SIZES[name]


@pytest.mark.golden
@pytest.mark.parametrize("name", ["max_deeplab_s", "axial_swidernet_1_1_1"])
def test_described_keys_are_the_public_ones(name):
    path = golden_path("deeplab2_axial_variables.json")
    models = json.loads(path.read_text())["models"]
    (rows,) = (
        model["variables"] for key, model in models.items() if name in key
    )
    described = {
        f"{key}{ENDING}": list(shape)
        for key, shape in model_shapes(name).items()
    }
    assert described == {row["checkpoint_key"]: row["shape"] for row in rows}


def _arrays(shapes):
    """Seeded values, of the sizes that trained ones have."""
    rng, found = np.random.default_rng(8), {}
    for key, shape in shapes.items():
        values = rng.normal(size=shape)
        if key.endswith(("gamma", "moving_variance")):
            values = 1 + 0.3 * np.abs(values)
        elif len(shape) == 4:
            values *= math.prod(shape[:3]) ** -0.5
        else:
            values *= 0.3
        found[key] = values.astype(np.float32)
    return found


def _restore(arrays, model):
    tensors = {
        key: types.SimpleNamespace(
            shape=x.shape, dtype="float32", read=lambda x=x: x
        )
        for key, x in arrays.items()
    }
    source = from_deeplab2.source_of(tensors)
    return restore_weights(tensors, source, model)


def _images(height, width):
    rng = np.random.default_rng(4)
    return rng.uniform(0, 255, (1, height, width, 3)).astype(np.float32)


def _check(model, images, expected):
    found = model(images)
    assert {f"res{level}" for level in found} == set(expected)
    for level, value in found.items():
        assert_close_to_largest(value, expected[f"res{level}"], 2e-5, level)


@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("name", ["wide_resnet_41", "swidernet_sac_1_1_1"])
def test_wide_encoders(name, output_stride):
    shapes = encoder_shapes(name, 1 / 16, _BLOCKS)
    if output_stride == 32:  # a strided block is plain
        shapes = {
            key: shape
            for key, shape in shapes.items()
            if "_stage5/_block1/_conv2_bn_act/_conv/_switch" not in key
        }
    arrays = _arrays(shapes)
    row = dataclasses.replace(
        PUBLISHED_RESNETS[name], blocks=_BLOCKS, width=1 / 16
    )
    model = row.build(output_stride)
    model.build((None, None, None, 3))
    assert len(_restore(arrays, model)) == len(shapes) == len(model.weights)
    images = _images(81, 65)
    expected = deeplab2_encoders.wide_resnet(arrays, images, output_stride)
    _check(model, images, expected)


def test_encoders_without_the_first_switch():
    """Of stride 32, in models of stride 16: there it is zero."""
    name = "swidernet_sac_1_1_1"
    shapes = encoder_shapes(name, 1 / 16, _BLOCKS)
    arrays = _arrays(shapes)
    for key in shapes:
        if "_stage5/_block1/_conv2_bn_act/_conv/_switch" in key:
            del arrays[key]
    row = dataclasses.replace(
        PUBLISHED_RESNETS[name], blocks=_BLOCKS, width=1 / 16
    )
    model = row.build(16)
    model.build((None, None, None, 3))
    assert len(_restore(arrays, model)) == len(shapes) - 2
    convolution = model.levels["5"][0].spatial.conv
    assert not np.any(convolution.switch_kernel)
    incomplete = {k: x for k, x in arrays.items() if "_block2" not in k}
    with pytest.raises(ValueError, match="without a tensor: .*res5_block1"):
        _restore(incomplete, model)


@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("name", MOBILENETS)
def test_mobilenets(name, output_stride):
    arrays = _arrays(encoder_shapes(name))
    model = create_model(f"{name}_backbone", output_stride=output_stride)
    assert len(_restore(arrays, model)) == len(arrays) == len(model.weights)
    images = _images(65, 49)
    expected = deeplab2_encoders.mobilenet(name, arrays, images, output_stride)
    _check(model, images, expected)
