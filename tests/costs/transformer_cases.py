"""Costs of the layers of axial transformers, counted by hand."""

from axial_deeplab.layers.axial_heads import AxialHeads
from axial_deeplab.layers.head_ops import HeadOptions
from axial_deeplab.layers.window_heads import WindowHeads
from tests.costs.segnext_cases import cost


def _options(relative):
    return HeadOptions(2, relative, max_distance=4)


# Layer, shape of its input, cost. 15 pixels of 4 channels, two heads.
TRANSFORMER_CASES = {
    "row": (
        AxialHeads("width", _options(None)),
        (1, 5, 3, 12),
        cost(15 * 3 * (4 + 4), {"logits": 15 * 3 * 2}),
    ),
    "column": (
        AxialHeads("height", _options("vector")),
        (1, 5, 3, 12),
        cost(15 * 5 * (4 + 4 + 4), {"logits": 15 * 5 * 2}, position=7 * 2),
    ),
    "numbers": (
        AxialHeads("height", _options("scalar")),
        (1, 5, 3, 12),
        cost(15 * 5 * (4 + 4), {"logits": 15 * 5 * 2}, position=7 * 2),
    ),
    # 4 keys in a window, 2 rows and 2 columns.
    "window": (
        WindowHeads(2, _options("vector")),
        (1, 5, 3, 12),
        cost(
            15 * 4 * (4 + 4) + 15 * 4 * (2 + 2),
            {"logits": 15 * 4 * 2},
            position=2 * 3 * 2,
        ),
    ),
    "full": (
        WindowHeads(None, _options("vector")),
        (1, 5, 3, 12),
        cost(15 * 15 * (4 + 4), {"logits": 15 * 15 * 2}),
    ),
}
