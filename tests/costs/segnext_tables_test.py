"""SegNeXt beside the tables of its paper.

The counts were made by a separate program, which agrees with the paper's own
profiler on the public model; which rows agree is what it found.
"""

import pytest

from axial_deeplab.costs.comparison import TABLES, compare

# Table, row, trainable parameters, multiply-adds; what agrees.
SMALL = [
    ("segnext", "SegNeXt-T", 4_263_414, 6_592_884_736, True, True),
    (
        *("segnext_cityscapes", "SegNeXt-T", 4_229_747, 50_538_180_608),
        *(None, True),
    ),
    ("segnext_ablations", "T, MLP", 4_337_910, 10_074_456_064, False, False),
    (
        *("segnext_ablations", "T, stage 4 only", 4_206_070, 4_910_678_016),
        *(True, True),
    ),
    (
        *("segnext_ablations", "T, stages 1 to 4", 4_271_606, 12_064_550_912),
        *(True, True),
    ),
    (
        *("segnext_ablations", "T, without MSCA", 4_209_014, 6_496_907_264),
        *(True, True),
    ),
    (
        *("segnext_ablations", "T, MSCA head, COCO-Stuff"),
        *(4_357_110, 6_666_780_672, True, True),
    ),
]
LARGE = [
    ("segnext", "SegNeXt-S", 13_932_886, 15_852_793_856, True, True),
    ("segnext", "SegNeXt-B", 27_636_310, 34_895_921_152, True, True),
    ("segnext", "SegNeXt-L", 48_926_550, 69_955_289_088, True, True),
    (
        *("segnext_ablations", "S, without MSCA", 13_841_494, 15_715_954_688),
        *(True, False),
    ),
    ("segnext_ablations", "B, CC", 27_767_128, 33_471_463_424, True, False),
    ("segnext_ablations", "B, EMA", 27_373_654, 32_328_515_584, True, True),
    # The public block has 768 biases, which no printed digit tells.
    (
        *("segnext_ablations", "B, NL", 27_636_566 - 768, 40_918_450_176),
        *(True, True),
    ),
    (
        *("segnext_ablations", "L, MSCA head, COCO-Stuff"),
        *(50_087_766, 69_801_476_096, True, True),
    ),
]
# Many layers take seconds to walk.
CASES = SMALL + [pytest.param(*row, marks=pytest.mark.large) for row in LARGE]


@pytest.mark.parametrize(
    ("table", "label", "trainable", "multiply_adds", "count_agrees", "agrees"),
    CASES,
)
def test_models_reproduce_the_counts(
    table, label, trainable, multiply_adds, count_agrees, agrees
):
    (row,) = (row for row in TABLES[table].rows if row.label == label)
    ours = compare(row, TABLES[table])
    assert ours.trainable == trainable
    assert round(ours.tally * 1e9) == multiply_adds
    assert ours.parameters_agree is count_agrees
    assert ours.multiply_adds_agree is agrees
