"""What tables print beside what the models of this package cost."""

import dataclasses
import functools
import math
from typing import Any

from axial_deeplab.costs import (
    imagenet_tables,
    panoptic_tables,
    segnext_tables,
    transformer_tables,
)
from axial_deeplab.costs.dry_run import (
    ModelCost,
    count_costs,
    create_dry_model,
)
from axial_deeplab.costs.table_rows import Row, Table

TABLES = {
    "1": imagenet_tables.TABLE_1,
    "2": panoptic_tables.TABLE_2,
    "4": panoptic_tables.TABLE_4,
    "5": panoptic_tables.TABLE_5,
    "6": panoptic_tables.TABLE_6,
    "7": panoptic_tables.TABLE_7,
    "9": panoptic_tables.TABLE_9,
    "10": imagenet_tables.TABLE_10,
    "sasa": imagenet_tables.TABLE_SASA,
    "classifiers": imagenet_tables.CLASSIFIERS,
    "panoptic": panoptic_tables.PANOPTIC_MODELS,
    "segnext": segnext_tables.ADE20K,
    "segnext_cityscapes": segnext_tables.CITYSCAPES,
    "segnext_ablations": segnext_tables.ABLATIONS,
    "mscan": segnext_tables.CLASSIFIERS,
    "axial_vit": transformer_tables.CLASSIFIERS,
    "axial_vit_semantic": transformer_tables.SEMANTIC,
    "axial_vit_panoptic": transformer_tables.PANOPTIC,
}

_MILLION, _BILLION = 1e6, 1e9
# Of parameters, in millions; all tables print one digit after the point.
_DIGIT = 0.1
# Some tables round half up.
_SLACK = 1e-6
_COARSEST_STRIDE = 32


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A row beside its model.

    Attributes:
      row: what is printed.
      trainable: all trainable scalars.
      counted: those of the row's account.
      tally: billions of multiply-adds by the paper's rules.
      products: billions of multiply-adds without element-wise terms, with
        the convolution to the classes. In a table of FLOPs this and `tally`
        are doubled.
      parameters_agree: to the last printed digit; None: nothing is printed.
      multiply_adds_agree: likewise.
    """

    row: Row
    trainable: int
    counted: int
    tally: float
    products: float
    parameters_agree: bool | None
    multiply_adds_agree: bool | None


def compare(row: Row, table: Table) -> Comparison:
    """Counts the model of a row of a table.

    Raises:
      ValueError: there is no such model, or it does not take the options.
    """
    if row.model is None:
        raise ValueError("no model of this package.")
    size = table.size_px
    if not table.exact_grid:
        size = tuple(side - side % _COARSEST_STRIDE for side in size)
    options = tuple(sorted(row.options.items()))
    cost = _model_cost(row.model, options, size)
    factor = math.prod(table.size_px) / math.prod(size)
    factor *= pixel_factor(row.scales, table.size_px) * (1 + table.flops)
    tally = cost.tally(table.rules) * factor / _BILLION
    products = cost.total.multiply_adds * factor / _BILLION
    counted = cost.total.count(row.account)
    return Comparison(
        row,
        cost.total.count(),
        counted,
        tally,
        products,
        _agree(counted / _MILLION, row.parameters, _DIGIT),
        _agree(
            products if table.flops else tally, row.multiply_adds, table.digit
        ),
    )


@functools.cache
def _model_cost(
    name: str, options: tuple[tuple[str, Any], ...], size: tuple[int, int]
) -> ModelCost:
    return count_costs(create_dry_model(name, **dict(options)), size)


def _agree(ours: float, printed: float | None, digit: float) -> bool | None:
    if printed is None:
        return None
    return abs(ours - printed) <= digit / 2 + _SLACK


def pixel_factor(scales: tuple[float, ...], size_px: tuple[int, int]) -> float:
    """Pixels of all images of multi-scale inference, mirrored ones too.

    In images of the given size; 1 for no scales. A scale turns s * k + 1
    pixels into scale * s * k + 1.
    """
    if not scales:
        return 1.0
    pixels = [
        math.prod((side - 1) * scale + 1 for side in size_px)
        for scale in scales
    ]
    return 2 * sum(pixels) / math.prod(size_px)
