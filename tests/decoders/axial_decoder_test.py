import numpy as np
import pytest

from axial_deeplab.decoders.axial_decoder import (
    AxialDecoder,
    AxialDecoderBlock,
    build_axial_decoder,
)
from axial_deeplab.decoders.dual_conv import DualDecoderSpec
from axial_deeplab.layers.convolution import ConvNormAct
from axial_deeplab.layers.mixers import AxialMixer
from axial_deeplab.layers.normalization import NormOptions
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import features
from tests.reference import convolution as reference

COARSE, FINE = features(2, 3, 4, 6), features(2, 5, 8, 4)


def _block(filters):
    """With a convolution for the attention, which loops can follow."""
    spatial = ConvNormAct(5, 3, activation=False)
    return AxialDecoderBlock(spatial, 3, filters)


def _expected(block, x, encoder, training):
    size = encoder.shape[1:3]
    shortcut = x
    if block.shortcut is not None:
        shortcut = reference.conv_norm_act(block.shortcut, x, training)
    branch = reference.conv_norm_act(block.reduce, x, training)
    encoder = reference.conv_norm_act(block.encoder, encoder, training)
    joined = np.concatenate([reference.resize(branch, size), encoder], -1)
    branch = reference.conv_norm_act(block.spatial, joined, training)
    branch = reference.conv_norm_act(
        block.expand, reference.relu(branch), training
    )
    return reference.relu(branch + reference.resize(shortcut, size))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("filters", "projected"), [(6, False), (8, True)])
def test_block_equals_loops(filters, projected, training):
    block = _block(filters)
    block((COARSE, FINE))
    randomize(block)
    assert (block.shortcut is not None) == projected
    np.testing.assert_allclose(
        block((COARSE, FINE), training=training),
        _expected(block, COARSE, FINE, training),
        rtol=1e-4,
        atol=1e-4,
    )


def test_branches_read_the_finest_level_behind_the_shared_blocks():
    decoder = AxialDecoder(
        {"3": _block(6), "2": _block(4)}, _block(4), _block(2)
    )
    levels = {"5": COARSE, "3": FINE, "2": features(2, 9, 15, 3)}
    decoder(levels)
    randomize(decoder)
    shared = decoder.shared["3"]((levels["5"], levels["3"]))
    shared = decoder.shared["2"]((shared, levels["2"]))
    decoded = decoder(levels)
    assert list(decoded) == ["semantic", "instance"]
    for name, x in decoded.items():
        branch = getattr(decoder, name)
        np.testing.assert_array_equal(x, branch((shared, levels["2"])))


@pytest.mark.parametrize(
    ("output_stride", "levels"), [(16, ["3", "2"]), (32, ["4", "3", "2"])]
)
def test_rows_become_decoders(output_stride, levels):
    norm = NormOptions(momentum=0.5)
    mixer = AxialMixer(span=65)
    decoder = build_axial_decoder(DualDecoderSpec(), output_stride, mixer, norm)
    assert list(decoder.shared) == levels
    blocks = [*decoder.shared.values(), decoder.semantic, decoder.instance]
    widths = [256] * len(levels) + [128, 64]
    assert [block.filters for block in blocks] == widths
    assert [2 * block.inner_filters for block in blocks] == widths
    for block in blocks:
        assert block.norm == block.spatial.height.norm == norm
        assert block.spatial.width.span == 65
        assert block.spatial.stride == 1


def test_other_output_strides_are_named():
    with pytest.raises(ValueError, match="16 or 32; got 8"):
        build_axial_decoder(DualDecoderSpec(), 8, AxialMixer())
