"""Exact trainable parameter counts of every model name."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import create_model, list_models
from axial_deeplab.layers.image_model import ImageModel
from axial_deeplab.models.presets import panoptic_heads
from tests.reference import parameter_counts as reference

DEEP, MIDDLE, TINY = (3, 4, 6, 3), (1, 2, 4, 1), (1, 1, 2, 1)


def _xs(classes):
    stages = reference.backbone(TINY, 0.25, reference.deeplab_stem(0.5), 4)
    return stages + reference.dual_decoder(0.25, classes, filters=(128, 64))


# Name, options, count, and the same counted from the paper's description. The
# 50-layer counts are those behind arXiv:2003.07853, Tables 6 and 10, where
# relative position tables have 509 rows and every norm counts.
COUNTS = [
    ("axial_resnet_26_s", {}, 6_389_704, (MIDDLE, 0.5)),
    ("axial_resnet_s", {}, 12_491_912, (DEEP, 0.5)),
    ("axial_resnet_m", {}, 26_528_568, (DEEP, 0.75)),
    ("axial_resnet_l", {}, 45_763_048, (DEEP, 1.0)),
    ("axial_resnet_l", {"width": 0.375}, 7_422_768, (DEEP, 0.375)),
    ("axial_resnet_xl", {}, 174_679_208, (DEEP, 2.0)),
    ("axial_deeplab_xs", {}, 1_499_497, None),
    ("axial_deeplab_s", {"num_classes": 19}, 12_187_270, 0.5),
    ("axial_deeplab_s", {}, 12_216_825, 0.5),
    ("axial_deeplab_m", {"num_classes": 19}, 25_995_878, 0.75),
    ("axial_deeplab_l", {"num_classes": 19}, 45_022_278, 1.0),
    ("axial_deeplab_xl", {"num_classes": 19}, 173_305_798, 2.0),
    (
        "axial_deeplab_s",
        {"num_classes": 19, "aspp": True, "output_stride": 32},
        15_439_302,
        0.5,
    ),
    (
        "axial_deeplab_l",
        {"num_classes": 19, "output_stride": 32},
        45_358_470,
        1.0,
    ),
]

# Other numbers of classes: COCO with void, and Mapillary Vistas.
CLASS_COUNTS = [
    ("axial_deeplab_m", 134, 26_025_433, 0.75),
    ("axial_deeplab_l", 134, 45_051_833, 1.0),
    ("axial_deeplab_l", 65, 45_034_100, 1.0),
    ("axial_deeplab_xl", 134, 173_335_353, 2.0),
]

# The same of the backbones alone.
BACKBONE_COUNTS = {
    "axial_resnet_26_s": 5_364_704,
    "axial_resnet_s": 11_466_912,
    "axial_resnet_m": 24_991_568,
    "axial_resnet_l": 43_714_048,
    "axial_resnet_xl": 170_582_208,
    "axial_deeplab_xs": 1_267_056,
    "axial_deeplab_s": 11_486_144,
    "axial_deeplab_m": 25_055_136,
    "axial_deeplab_l": 43_841_920,
    "axial_deeplab_xl": 171_166_976,
}


def _row(name):
    """Of the first entry of a name."""
    return [row[0] for row in COUNTS].index(name)


def _id(row):
    options = [f"{key}={value}" for key, value in row[1].items()]
    return " ".join([row[0], *options])


@functools.cache
def _counts(row):
    """Of the whole model and of its backbone; the model is let go again."""
    name, options = COUNTS[row][:2]
    model = create_model(name, **options)
    return _count(model), _count(model.backbone)


def _count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


rows = pytest.mark.parametrize(
    "row", range(len(COUNTS)), ids=[_id(row) for row in COUNTS]
)


@rows
def test_model_has_its_count(row):
    name, _, count, _ = COUNTS[row]
    assert _counts(row)[0] == count


@rows
def test_count_follows_from_the_paper(row):
    name, options, count, sizes = COUNTS[row]
    if name.startswith("axial_resnet"):
        assert reference.classifier(*sizes, 1000) == count
    elif name == "axial_deeplab_xs":
        assert _xs(134) == count
    else:
        named = {"aspp": "with_aspp", "num_classes": "classes"}
        arguments = {named.get(k, k): v for k, v in options.items()}
        arguments = {"classes": 134} | arguments
        assert reference.axial_deeplab(sizes, **arguments) == count


@pytest.mark.parametrize(("name", "classes", "count", "width"), CLASS_COUNTS)
def test_classes_change_the_semantic_head_only(name, classes, count, width):
    """Only the head is built anew, beside the model of 19 classes."""
    assert COUNTS[_row(name)][1] == {"num_classes": 19}
    others = _counts(_row(name))[0] - _head_count(19)
    assert others + _head_count(classes) == count
    assert reference.axial_deeplab(width, classes) == count


@functools.cache
def _head_count(classes):
    head = panoptic_heads(classes)["semantic_logits"]
    head(tf.zeros([1, 1, 1, 256]))
    return _count(head)


@pytest.mark.parametrize("name", BACKBONE_COUNTS)
def test_backbone_has_its_count(name, monkeypatch):
    """Counted inside the model, which the name alone must equal."""
    assert _counts(_row(name))[1] == BACKBONE_COUNTS[name]
    monkeypatch.setattr(ImageModel, "build", lambda self, input_shape: None)
    model = create_model(name)
    options = {}
    if name.startswith("axial_deeplab"):
        options = {"output_stride": 16}  # what the whole model has
    alone = create_model(f"{name}_backbone", **options)
    assert _renamed(alone) == _renamed(model.backbone)


def _renamed(model):
    """The config without the numbers that Keras gives to names."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k != "name"}
        if isinstance(value, list):
            return [strip(item) for item in value]
        return value

    return strip(model.get_config())


def test_every_name_is_pinned():
    pinned = {row[0] for row in COUNTS}
    assert set(BACKBONE_COUNTS) == pinned
    backbones = {f"{name}_backbone" for name in BACKBONE_COUNTS}
    assert set(list_models()) == pinned | backbones
