import numpy as np

from axial_deeplab.decoders.hamburger_decoder import concat_levels
from axial_deeplab.decoders.mlp_decoder import MLPDecoder
from tests.layers.layer_case import randomize
from tests.layers.layer_cases import pyramid


def test_levels_are_projected_resized_and_mixed():
    decoder = MLPDecoder(4, ("2", "3", "5"))
    decoder(pyramid())
    randomize(decoder)
    for training in (False, True):
        maps = [
            project(pyramid()[level], training=training)
            for project, level in zip(
                decoder.projections, ("2", "3", "5"), strict=True
            )
        ]
        expected = decoder.mix(concat_levels(maps), training=training)
        actual = decoder(pyramid(), training=training)
        assert actual.shape == (2, 13, 17, 4)
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
