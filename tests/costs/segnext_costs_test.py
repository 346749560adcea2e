"""What SegNeXt's layers cost beside their parts."""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.costs.dry_run import count_costs
from axial_deeplab.costs.layer_costs import BESIDE_PARTS
from axial_deeplab.decoders.hamburger_decoder import ContextDecoder
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from axial_deeplab.layers.hamburger import FactorizationOptions, Hamburger
from axial_deeplab.layers.mscan_block import MSCANBlock
from axial_deeplab.layers.scale_attention import (
    MultiScaleConvAttention,
    ScaleOptions,
)
from axial_deeplab.models.semantic_segmenter import SemanticSegmenter
from tests.costs.segnext_cases import cost
from tests.layers.layer_cases import pyramid


def test_the_gate_of_attention_counts_beside_the_parts():
    y = tf.zeros((1, 5, 3, 8))
    for options, product in (
        (ScaleOptions(), 5 * 3 * 8),
        (ScaleOptions(gate=False), 0),
    ):
        layer = MultiScaleConvAttention(options)
        charged = BESIDE_PARTS[MultiScaleConvAttention](layer, y)
        assert charged == cost(elements={"product": product})


def test_resizes_count_by_their_output():
    """Of the first level, too."""
    burger = Hamburger(FactorizationOptions(rank=3), groups=2)
    decoder = ContextDecoder(4, burger, ("3", "5"), groups=2)
    charged = BESIDE_PARTS[ContextDecoder](decoder, decoder(pyramid())[:1])
    assert charged == cost(elements={"resize": 7 * 9 * (4 + 6)})
    decoder = MLPDecoder(4, ("3", "5"))
    charged = BESIDE_PARTS[MLPDecoder](decoder, decoder(pyramid())[:1])
    assert charged == cost(elements={"resize": 7 * 9 * (4 + 4)})
    logits = {keys.SEMANTIC_LOGITS: tf.zeros((1, 5, 3, 8))}
    charged = BESIDE_PARTS[SemanticSegmenter](None, logits)
    assert charged == cost(elements={"resize": 5 * 3 * 8})


def test_a_block_counts_what_training_computes():
    """Its inference folds norms and scales, which the papers count."""
    model = tf_keras.Sequential([MSCANBlock(ratio=2)])
    model(tf.zeros((1, 5, 4, 3)))
    pixels, strips = 5 * 4, 2 * (7 + 11 + 21)
    attention = 3 * (3 * 3) + 3 * (5 * 5 + strips)
    feed_forward = 2 * 3 * 6 + 6 * 3 * 3
    counted = count_costs(model, (5, 4)).total
    assert counted.multiply_adds == pixels * (attention + feed_forward)
    # Two scales and the gate; two norms.
    assert counted.elements == {"product": 3 * 3 * pixels, "norm": 6 * pixels}
    assert counted.count() == sum(
        weight.shape.num_elements() for weight in model.trainable_weights
    )
