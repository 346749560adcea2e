import pytest
import tensorflow as tf

from axial_deeplab import create_model, list_models
from axial_deeplab.decoders.aspp import ASPP
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.residual import BottleneckBlock


def _parts(model, kind):
    return [part for part in model.submodules if isinstance(part, kind)]


def test_names_are_sorted_and_match_patterns():
    names = list_models()
    assert names == sorted(set(names))
    assert {"axial_resnet_l", "axial_deeplab_s"} <= set(names)
    assert list_models("axial_deeplab_?") == [
        "axial_deeplab_l",
        "axial_deeplab_m",
        "axial_deeplab_s",
    ]
    backbones = list_models("*_backbone")
    assert backbones == [name for name in names if name.endswith("_backbone")]
    assert list_models("vgg*") == []


def test_unknown_names_are_told_the_nearest():
    with pytest.raises(ValueError) as error:
        create_model("axial_deeplab_xxl")
    message = str(error.value)
    assert "'axial_deeplab_xxl'" in message
    assert "axial_deeplab_xl" in message and "list_models()" in message
    with pytest.raises(ValueError, match="nearest: none"):
        create_model("?")


def test_unknown_options_are_told_the_known():
    with pytest.raises(ValueError) as error:
        create_model("axial_deeplab_xs", classes=3, zoom=2)
    message = str(error.value)
    assert "classes, zoom" in message and "'axial_deeplab_xs'" in message
    for option in ("num_classes", "output_stride", "span", "aspp", "width"):
        assert option in message
    assert "spec" not in message
    with pytest.raises(ValueError, match="num_classes"):
        create_model("axial_resnet_s", aspp=True)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("axial_deeplab_xs", {"output_stride": 12}, "16 or 32; got 12"),
        ("axial_resnet_s_backbone", {"output_stride": 4}, "32; got 4"),
        ("axial_resnet_s", {"width": 0.3}, "heads.*divide.*heads=8"),
        ("axial_deeplab_xs", {"span": 4}, "odd.*got 4"),
        ("axial_deeplab_xs", {"drop_path": 1.0}, r"\[0, 1\).*1.0"),
    ],
)
def test_bad_values_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **options)


def test_every_option_of_a_panoptic_model_acts():
    norm = NormOptions(momentum=0.9, epsilon=1e-4)
    model = create_model(
        "axial_deeplab_xs",
        num_classes=7,
        output_stride=32,
        span=5,
        aspp=True,
        width=0.125,
        drop_path=0.3,
        norm=norm,
    )
    attention = _parts(model, AxialAttention)
    blocks = _parts(model.backbone, BottleneckBlock)
    assert len(attention) == 2 * len(blocks) == 10
    assert {layer.span for layer in attention} == {5}
    assert sorted({block.filters for block in blocks}) == [32, 64, 128, 256]
    assert max(block.drop_path for block in blocks) == 0.3
    assert [block.stride for block in model.backbone.levels["5"]] == [2]
    assert {context.rates for context in _parts(model, ASPP)} == {(3, 6, 9)}
    assert list(model.decoder.semantic.projections) == ["4", "3", "2"]
    heads = {name: head.channels for name, head in model.heads.items()}
    assert heads == {
        "semantic_logits": 7,
        "center_heatmap": 1,
        "center_offset": 2,
    }
    norms = {part.norm for part in model.submodules if hasattr(part, "norm")}
    assert norms == {norm}


def test_defaults_of_a_panoptic_model():
    model = create_model("axial_deeplab_xs")
    assert model.heads["semantic_logits"].channels == 134
    assert [block.stride for block in model.backbone.levels["5"]] == [1]
    assert {layer.span for layer in _parts(model, AxialAttention)} == {None}
    assert not _parts(model, ASPP)


def test_every_option_of_a_classifier_acts():
    model = create_model(
        "axial_resnet_26_s", num_classes=7, span=3, width=0.125, drop_path=0.2
    )
    assert model(tf.zeros([2, 9, 9, 3])).shape == (2, 7)
    assert {layer.span for layer in _parts(model, AxialAttention)} == {3}
    blocks = _parts(model, BottleneckBlock)
    assert max(block.drop_path for block in blocks) == 0.2
    assert max(block.filters for block in blocks) == 256
    assert [block.stride for block in model.backbone.levels["5"]] == [2]


def test_new_models_have_their_weights():
    model = create_model("axial_resnet_26_s_backbone", width=0.125)
    assert model.built and model.weights
