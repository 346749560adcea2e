"""Small cases of the layers of axial transformers for `check_layer`."""

import tensorflow as tf

from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.axial_pass import AxialPass
from axial_deeplab.layers.axial_transformer import (
    AxialTransformerBlock,
    FeedForward,
    TransformerOptions,
)
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.stems import TokenEmbedding
from axial_deeplab.layers.window_heads import WindowHeads
from tests.layers.layer_inputs import features

_HALF = tf.bfloat16
_HEADS = HeadOptions(2, max_distance=4)


def _map(channels: int = 6) -> tf.Tensor:
    return features(2, 6, 7, channels)


TRANSFORMER_CASES = {
    AxialHeads: lambda: (
        AxialHeads("height", HeadOptions(2, "scalar")),
        _map(12),
        _HALF,
    ),
    AxialPass: lambda: (
        AxialPass(4, AxialHeads("width", _HEADS)),
        _map(),
        _HALF,
    ),
    AxialTransformerBlock: lambda: (
        AxialTransformerBlock(
            6,
            TransformerOptions(share_projections=True, heads=_HEADS),
            drop_path=0.1,
        ),
        _map(),
        _HALF,
    ),
    FeedForward: lambda: (FeedForward(6, 2), _map(), _HALF),
    TokenEmbedding: lambda: (TokenEmbedding(4, activation=True), _map(), _HALF),
    WindowHeads: lambda: (WindowHeads(3, _HEADS), _map(12), _HALF),
}
