"""The models beside the papers' tables.

The counts were made by a separate program from the papers' descriptions; which
rows agree is what it found.
"""

import math

import pytest

from axial_deeplab.costs.comparison import TABLES, compare, pixel_factor

# Of feature sizes without rounding: true pixels over counted ones.
CITYSCAPES = (1025 * 2049) / (1024 * 2048)
COCO = (1025 / 1024) ** 2
MAPILLARY = 2177**2 / (1024 * 2048)

# Table, label: trainable, counted, products, tally; what agrees.
COUNTS = {
    ("10", "Conv-Stem + Axial-Attention x0.375"): (
        *(7_422_768, 7_375_920, 1_675_918_848, 1_742_772_096),
        *(True, False),
    ),
    ("10", "Conv-Stem + Axial-Attention x0.5"): (
        *(12_491_912, 12_429_960, 2_715_445_248, 2_786_105_600),
        *(True, True),
    ),
    ("10", "Conv-Stem + Axial-Attention x1"): (
        *(45_763_048, 45_640_680, 9_474_674_688, 9_560_563_456),
        *(True, True),
    ),
    ("10", "Full Axial-Attention x0.5"): (
        *(12_532_152, 12_468_376, 3_088_980_480, 3_216_391_064),
        *(True, False),
    ),
    ("10", "Conv-Stem + PS-Attention x0.5"): (
        *(5_062_148, 5_050_820, 1_139_366_912, 1_176_323_496),
        *(True, True),
    ),
    ("1", "Conv-Stem + Attention, BN"): (
        *(18_061_800, 18_031_080, 3_483_158_528, 3_514_386_032),
        *(True, True),
    ),
    ("6", "ResNet-50, ASPP"): (
        *(30_066_822, 30_030_534),
        *(389_782_962_176 * CITYSCAPES, 389_355_143_168 * CITYSCAPES),
        *(True, False),
    ),
    ("6", "Axial-DeepLab-L"): (
        *(45_022_278, 44_887_174),
        *(681_764_192_256 * CITYSCAPES, 685_793_542_144 * CITYSCAPES),
        *(True, False),
    ),
    ("9", "Axial-ResNet-L, stride 32"): (
        *(45_358_470, 45_221_062),
        *(520_786_280_448 * CITYSCAPES, 524_612_222_976 * CITYSCAPES),
        *(True, False),
    ),
    ("2", "Axial-DeepLab-L"): (
        *(45_051_833, 44_916_729),
        *(342_811_475_968 * COCO, 342_896_771_072 * COCO),
        *(True, False),
    ),
    # That of Table 6, but for the pixels and the classes.
    ("4", "Axial-DeepLab-L"): (
        *(45_034_100, 44_898_996),
        (681_764_192_256 + (65 - 19) * 256 * 512 * 256) * MAPILLARY,
        685_793_542_144 * MAPILLARY,
        *(True, True),
    ),
}


def _row(table, label):
    (row,) = (row for row in TABLES[table].rows if row.label == label)
    return row


@pytest.mark.parametrize("key", COUNTS, ids=" ".join)
def test_models_reproduce_the_counts(key):
    table, label = key
    ours = compare(_row(table, label), TABLES[table])
    trainable, counted, products, tally, *agree = COUNTS[key]
    assert (ours.trainable, ours.counted) == (trainable, counted)
    assert math.isclose(ours.products, products / 1e9, rel_tol=1e-12)
    assert math.isclose(ours.tally, tally / 1e9, rel_tol=1e-12)
    assert [ours.parameters_agree, ours.multiply_adds_agree] == agree


def test_scales_multiply_the_pixels():
    """Those of the multi-scale row of Table 2, as the paper counts them."""
    row = _row("2", "Axial-DeepLab-L, multi-scale")
    factor = pixel_factor(row.scales, (1025, 1025))
    assert factor == pytest.approx(
        2 * (513**2 + 769**2 + 1025**2 + 1281**2 + 1537**2) / 1025**2
    )
    assert 343.9 * factor == pytest.approx(3867.7, rel=1e-4)
    assert pixel_factor((), (1025, 1025)) == 1.0


def test_scaled_rows_are_multiples_of_their_models():
    table = TABLES["2"]
    single = compare(_row("2", "Axial-DeepLab-L"), table)
    several = compare(_row("2", "Axial-DeepLab-L, multi-scale"), table)
    assert several.trainable == single.trainable
    assert several.tally / single.tally == pytest.approx(11.2476, abs=1e-4)


def test_unprinted_values_agree_with_nothing():
    table = TABLES["5"]
    ours = compare(_row("5", "Axial-DeepLab-L"), table)
    assert ours.parameters_agree is ours.multiply_adds_agree is None


def test_model_that_is_not_ours_is_an_error():
    with pytest.raises(ValueError, match="no model of this package"):
        compare(_row("1", "LR-Net-50"), TABLES["1"])


def test_labels_of_a_table_differ():
    for table in TABLES.values():
        labels = [row.label for row in table.rows]
        assert len(set(labels)) == len(labels)
