"""Exact trainable parameter counts of every model name."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import create_model, list_models
from axial_deeplab.backbones.stacked import STACKED_RESNETS
from axial_deeplab.layers.image_model import ImageModel
from axial_deeplab.models.heads import panoptic_heads
from tests.models.model_counts import (
    BACKBONE_COUNTS,
    CITYSCAPES,
    CLASS_COUNTS,
    COUNTS,
)
from tests.reference import parameter_counts as paper

large = pytest.mark.large
AXIAL_WIDTHS = {"s": 0.5, "m": 0.75, "l": 1.0, "xl": 2.0}
# One size of each family; all others are built on demand: a second a model.
FEW = {
    "axial_deeplab_s",
    "axial_deeplab_xs",
    "axial_resnet_s",
    "axial_vit_tiny",
    "full_axial_resnet_xs",
    "max_deeplab_s",
    "mobilenet_v3_small",
    "mscan_t",
    "panoptic_deeplab_axial_vit_tiny",
    "panoptic_deeplab_mobilenet_v3_small",
    "panoptic_deeplab_ps_attention",
    "panoptic_deeplab_resnet50",
    "pooled_axial_resnet_26_s",
    "ps_attention_resnet_50",
    "resnet_26",
    "resnet_50_beta",
    "sasa_resnet_26",
    "sasa_resnet_26_attention_stem",
    "segnext_t",
    "semantic_axial_vit_tiny",
    "xception_71",
}


def _row(name):
    """Of the first entry of a name."""
    return [row[0] for row in COUNTS].index(name)


def _id(row):
    options = [f"{key}={value}" for key, value in row[1].items()]
    return " ".join([row[0], *options])


@pytest.fixture(scope="module", autouse=True)
def _empty_weights():
    """Weights of zeros: numbers are drawn slowly, and nobody looks at them."""
    add_weight = tf_keras.layers.Layer.add_weight

    def add_zeros(self, *args, **options):
        options["initializer"] = "zeros"
        return add_weight(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf_keras.layers.Layer, "add_weight", add_zeros)
        yield


@functools.cache
def _counts(row):
    """Of the whole model and of its backbone; the model is let go again."""
    name, options = COUNTS[row][:2]
    model = create_model(name, **options)
    return _count(model), _count(model.backbone)


def _count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def _marks(name, options=()):
    return [] if name in FEW and "width" not in options else [large]


def test_the_few_exist():
    assert set(list_models()) >= FEW


@pytest.mark.parametrize(
    ("count", "described"), [row[2:] for row in COUNTS], ids=map(_id, COUNTS)
)
def test_counts_follow_from_the_papers(count, described):
    assert count == described


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(index, marks=_marks(*row[:2]), id=_id(row))
        for index, row in enumerate(COUNTS)
    ],
)
def test_model_has_its_count(row):
    assert _counts(row)[0] == COUNTS[row][2]


@pytest.mark.parametrize(("name", "classes", "count", "width"), CLASS_COUNTS)
def test_classes_change_the_semantic_head_only(name, classes, count, width):
    """Only the head is built, beside the numbers with 19 classes."""
    assert COUNTS[_row(name)][1] == CITYSCAPES
    others = COUNTS[_row(name)][2] - _head_count(19)
    assert others + _head_count(classes) == count
    assert paper.axial_deeplab(width, classes) == count


@large
@pytest.mark.parametrize("span", [None, 65])
@pytest.mark.parametrize("aspp", [False, True])
@pytest.mark.parametrize("output_stride", [16, 32])
@pytest.mark.parametrize("size", AXIAL_WIDTHS)
def test_every_axial_deeplab_has_its_count(size, output_stride, aspp, span):
    model = create_model(
        f"axial_deeplab_{size}",
        num_classes=19,
        output_stride=output_stride,
        aspp=aspp,
        span=span,
    )
    assert _count(model) == paper.axial_deeplab(
        AXIAL_WIDTHS[size], 19, with_aspp=aspp, output_stride=output_stride
    )


@functools.cache
def _head_count(classes):
    head = panoptic_heads(classes)["semantic_logits"]
    head(tf.zeros([1, 1, 1, 256]))
    return _count(head)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=_marks(name)) for name in BACKBONE_COUNTS],
)
def test_backbone_has_its_count(name, monkeypatch):
    """Counted inside the model, which the name alone must equal."""
    assert _counts(_row(name))[1] == BACKBONE_COUNTS[name]
    monkeypatch.setattr(ImageModel, "build", lambda self, input_shape: None)
    model = create_model(name)
    options = {}
    if hasattr(model, "heads"):
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


PANOPTIC = [
    name
    for name in BACKBONE_COUNTS
    if name.startswith(("axial_deeplab", "panoptic_deeplab"))
]


@pytest.mark.parametrize(
    "name",
    [
        name if name.endswith("_xs") else pytest.param(name, marks=large)
        for name in PANOPTIC
    ],
)
def test_classifier_has_its_count(name):
    """A dense layer above the backbone."""
    model = create_model(f"{name}_classifier", num_classes=10)
    assert _count(model.backbone) == BACKBONE_COUNTS[name]
    channels = model.classify.kernel.shape[0]
    assert _count(model) == BACKBONE_COUNTS[name] + 10 * (channels + 1)


def test_every_name_is_pinned():
    pinned = {row[0] for row in COUNTS}
    assert set(BACKBONE_COUNTS) == pinned
    derived = {f"{name}_backbone" for name in BACKBONE_COUNTS}
    derived |= {f"{name}_classifier" for name in PANOPTIC}
    derived |= {f"{name}_backbone" for name in STACKED_RESNETS}
    assert set(list_models()) == pinned | derived
