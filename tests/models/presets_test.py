import pytest
import tensorflow as tf

from axial_deeplab import create_model, list_models
from axial_deeplab.decoders.aspp import ASPP
from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.image_model import ImageModel
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.non_local import NonLocalBlock
from axial_deeplab.layers.normalization import NormOptions
from axial_deeplab.layers.residual import BottleneckBlock


def _parts(model, kind):
    return [part for part in model.submodules if isinstance(part, kind)]


@pytest.fixture
def unbuilt(monkeypatch):
    """For tests of what a model consists of: no weights, no call."""
    monkeypatch.setattr(ImageModel, "build", lambda self, input_shape: None)


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
        ("axial_deeplab_xs", {"decoder": "fpn"}, "conv or axial; got 'fpn'"),
        (
            "axial_deeplab_xs",
            {"decoder": "axial", "aspp": True},
            "axial decoder has no ASPP",
        ),
        ("resnet_50", {"span": 5}, "`span` .*axial attention.* got 5"),
        ("xception_71_backbone", {"span": 5}, "`span` .*axial attention"),
        ("panoptic_deeplab_resnet50", {"span": 5}, "`span` .*got 5"),
        ("resnet_50", {"non_local": ["res6_block0"]}, "got res6_block0"),
    ],
)
def test_bad_values_are_named(name, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(name, **options)


def test_every_option_of_a_panoptic_model_acts(unbuilt):
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


def test_defaults_of_a_panoptic_model(unbuilt):
    model = create_model("axial_deeplab_xs")
    assert model.heads["semantic_logits"].channels == 134
    assert [block.stride for block in model.backbone.levels["5"]] == [1]
    assert {layer.span for layer in _parts(model, AxialAttention)} == {None}
    assert not _parts(model, ASPP)


def test_the_axial_decoder_has_the_attention_of_the_model(unbuilt):
    model = create_model(
        "axial_deeplab_xs", decoder="axial", span=5, output_stride=32
    )
    decoder = model.decoder
    assert list(decoder.shared) == ["4", "3", "2"]
    assert [decoder.semantic.filters, decoder.instance.filters] == [64, 32]
    attention = _parts(decoder, AxialAttention)
    assert {(layer.span, layer.heads) for layer in attention} == {(5, 4)}


def test_convolutional_panoptic_models(unbuilt):
    resnet, xception = (
        create_model(f"panoptic_deeplab_{name}")
        for name in ("resnet50", "xception71")
    )
    rates = [block.spatial.dilation for block in resnet.backbone.levels["5"]]
    assert rates == [1, 2, 2]  # output stride 16
    assert len(resnet.backbone.stem.convolutions) == 3
    assert not _parts(resnet, ASPP)
    contexts = _parts(xception, ASPP)
    assert [context.rates for context in contexts] == [(6, 12, 18)] * 2
    without = create_model("panoptic_deeplab_xception71", aspp=False)
    assert not _parts(without, ASPP)


def test_the_row_decides_where_an_option_is_none(unbuilt):
    spans = [
        {layer.span for layer in _parts(model, AxialAttention)}
        for name in ("full_axial_resnet_26_s", "axial_resnet_26_s")
        for model in (create_model(name), create_model(name, span=5))
    ]
    assert spans == [{15}, {5}, {None}, {5}]


def test_the_span_of_windows_is_their_side(unbuilt):
    for options, side in (({}, 7), ({"span": 5}, 5)):
        model = create_model("sasa_resnet_26", **options)
        windows = {x.window for x in _parts(model, LocalAttention2D)}
        assert windows == {side}


def test_the_axial_decoder_takes_the_span_on_any_backbone(unbuilt):
    model = create_model("panoptic_deeplab_resnet50", decoder="axial", span=65)
    assert {x.span for x in _parts(model, AxialAttention)} == {65}


@pytest.mark.parametrize(
    "name", ["resnet_26", "axial_deeplab_xs", "panoptic_deeplab_xception71"]
)
def test_non_local_blocks_stand_in_any_backbone(name, unbuilt):
    after = ["res4_block0", "res5_block0"]
    model = create_model(name, non_local=after)
    blocks = _parts(model.backbone, NonLocalBlock)
    names = sorted(block.name for block in blocks)
    assert names == [f"{block}_non_local" for block in after]


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
