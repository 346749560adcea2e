import pytest

from axial_deeplab.costs.layer_costs import BESIDE_PARTS
from axial_deeplab.layers.inverted_residual import (
    InvertedOptions,
    InvertedResidual,
    SqueezeExcite,
)
from tests.costs.segnext_cases import cost
from tests.layers.layer_inputs import features


@pytest.mark.parametrize("residual", [True, False])
def test_inverted_residuals_add_at_the_end(residual):
    x = features(1, 5, 3, 6)
    block = InvertedResidual(6, InvertedOptions(8, residual=residual))
    charged = BESIDE_PARTS[InvertedResidual](block, block(x))
    elements = {"residual": 5 * 3 * 6} if residual else {}
    assert charged == cost(elements=elements)


def test_gates_multiply_every_pixel():
    layer, x = SqueezeExcite(2), features(1, 5, 3, 6)
    charged = BESIDE_PARTS[SqueezeExcite](layer, layer(x))
    assert charged == cost(elements={"product": 5 * 3 * 6})
