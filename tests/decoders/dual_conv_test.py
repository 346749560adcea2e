import numpy as np
import pytest

from axial_deeplab.decoders.aspp import ASPP
from axial_deeplab.decoders.dual_conv import (
    DecoderBranch,
    DualConvDecoder,
    DualDecoderSpec,
    build_dual_decoder,
)
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.normalization import NormOptions
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference import convolution as reference

PYRAMID = {
    "5": features(2, 2, 3, 6),
    "4": features(2, 4, 5, 5),
    "3": features(2, 7, 9, 4),
    "2": features(2, 13, 17, 3),
}


def _built(layer):
    layer(PYRAMID)
    randomize(layer)
    return layer


def _expected(branch, training):
    x = PYRAMID["5"]
    if branch.context is not None:
        x = reference.conv_norm_act(branch.context, x, training)
    for level, filters in branch.low_level_filters.items():
        projection = branch.projections[level]
        low = reference.conv_norm_act(projection, PYRAMID[level], training)
        assert low.shape[3] == filters
        x = reference.resize(x, low.shape[1:3])
        x = reference.separable_conv_norm_act(
            branch.fusions[level], np.concatenate([x, low], -1), training
        )
    return x


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("context", [None, 5])
@pytest.mark.parametrize("levels", [{"3": 3, "2": 2}, {"4": 4, "3": 3, "2": 2}])
def test_branch_equals_loops(levels, context, training):
    layer = context and ConvNormAct(context)
    branch = _built(DecoderBranch(levels, 8, context=layer))
    expected = _expected(branch, training)
    actual = branch(PYRAMID, training=training)
    assert actual.shape == (2, 13, 17, 8)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_fusions_are_five_by_five():
    branch = _built(DecoderBranch({"3": 3, "2": 2}, 8))
    kernels = {
        level: fusion.depthwise.depthwise_kernel.shape
        for level, fusion in branch.fusions.items()
    }
    # Without a context the raw map is joined: 6 + 3 channels, then 8 + 2.
    assert kernels == {"3": (5, 5, 9, 1), "2": (5, 5, 10, 1)}


def test_the_branches_share_nothing():
    levels = {"3": 3, "2": 2}
    decoder = DualConvDecoder(
        DecoderBranch(levels, 8), DecoderBranch(levels, 6)
    )
    _built(decoder)
    decoded = decoder(PYRAMID)
    assert list(decoded) == ["semantic", "instance"]
    for name in decoded:
        branch = getattr(decoder, name)
        np.testing.assert_array_equal(decoded[name], branch(PYRAMID))
    count = len(decoder.semantic.weights) + len(decoder.instance.weights)
    assert len({id(weight) for weight in decoder.weights}) == count


@pytest.mark.parametrize(
    ("output_stride", "semantic", "instance"),
    [
        (16, {"3": 64, "2": 32}, {"3": 32, "2": 16}),
        (
            32,
            {"4": 128, "3": 64, "2": 32},
            {"4": 64, "3": 32, "2": 16},
        ),
    ],
)
def test_rows_become_the_papers_decoders(output_stride, semantic, instance):
    decoder = build_dual_decoder(DualDecoderSpec(), output_stride)
    assert list(decoder.semantic.low_level_filters.items()) == list(
        semantic.items()
    )
    assert list(decoder.instance.low_level_filters.items()) == list(
        instance.items()
    )
    assert (decoder.semantic.filters, decoder.instance.filters) == (256, 128)
    assert decoder.semantic.context is decoder.instance.context is None


@pytest.mark.parametrize(
    ("output_stride", "rates"), [(16, (6, 12, 18)), (32, (3, 6, 9))]
)
def test_aspp_stands_in_both_branches(output_stride, rates):
    norm = NormOptions(momentum=0.5)
    decoder = build_dual_decoder(DualDecoderSpec(), output_stride, True, norm)
    contexts = [decoder.semantic.context, decoder.instance.context]
    assert contexts[0] is not contexts[1]
    for context in contexts:
        assert isinstance(context, ASPP)
        assert (context.filters, context.rates) == (256, rates)
        assert context.separable
        assert context.norm == norm


@pytest.mark.parametrize("output_stride", [8, 12])
def test_other_output_strides_are_named(output_stride):
    with pytest.raises(ValueError, match=f"16 or 32; got {output_stride}"):
        build_dual_decoder(DualDecoderSpec(), output_stride)
