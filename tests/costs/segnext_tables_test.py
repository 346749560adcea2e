"""SegNeXt beside the tables of its paper.

The counts were made by a separate program, which agrees with the paper's own
profiler on the public model.
"""

import pytest

from axial_deeplab.costs.comparison import TABLES, compare

# Row: trainable parameters, multiply-adds.
ADE20K = {
    "SegNeXt-T": (4_263_414, 6_592_884_736),
    "SegNeXt-S": (13_932_886, 15_852_793_856),
    "SegNeXt-B": (27_636_310, 34_895_921_152),
    "SegNeXt-L": (48_926_550, 69_955_289_088),
}
# In millions and billions, three digits.
ABLATIONS = {
    "T, stage 4 only": (4.206, 4.911),
    "T, stages 1 to 4": (4.272, 12.065),
    "T, without MSCA": (4.209, 6.497),
    "T, MSCA head, COCO-Stuff": (4.357, 6.667),
    "L, MSCA head, COCO-Stuff": (50.088, 69.802),
    "B, EMA": (27.374, 32.328),
    # The public block has biases, which no digit tells.
    "B, NL": (27.636, 40.918),
}
# Their printed values need layouts that nobody knows.
UNKNOWN = {
    "T, MLP": (4.338, 10.075, False, False),
    "B, CC": (27.767, 33.470, True, False),
    "S, without MSCA": (13.842, 15.716, True, False),
}


def _compare(table, label):
    (row,) = (row for row in TABLES[table].rows if row.label == label)
    return compare(row, TABLES[table])


@pytest.mark.parametrize("label", ADE20K)
def test_models_reproduce_the_counts(label):
    ours = _compare("segnext", label)
    assert (ours.trainable, round(ours.tally * 1e9)) == ADE20K[label]
    assert ours.parameters_agree and ours.multiply_adds_agree


def test_large_images_and_fewer_classes():
    ours = _compare("segnext_cityscapes", "SegNeXt-T")
    assert round(ours.tally * 1e9) == 50_538_180_608
    assert ours.multiply_adds_agree


@pytest.mark.parametrize("label", ABLATIONS)
def test_ablations_have_their_digits(label):
    ours = _compare("segnext_ablations", label)
    parameters, multiply_adds = ABLATIONS[label]
    assert ours.trainable / 1e6 == pytest.approx(parameters, abs=5e-4)
    assert ours.tally == pytest.approx(multiply_adds, abs=5e-4)
    assert ours.parameters_agree and ours.multiply_adds_agree


@pytest.mark.parametrize("label", UNKNOWN)
def test_layouts_of_some_ablations_are_unknown(label):
    ours = _compare("segnext_ablations", label)
    parameters, multiply_adds, *agree = UNKNOWN[label]
    assert ours.trainable / 1e6 == pytest.approx(parameters, abs=5e-4)
    assert ours.tally == pytest.approx(multiply_adds, abs=5e-4)
    assert [ours.parameters_agree, ours.multiply_adds_agree] == agree
