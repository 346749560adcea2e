"""Tables of axial vision transformers, against counts of their own."""

import pytest

from axial_deeplab.costs.comparison import TABLES, compare
from axial_deeplab.models.presets import list_models
from tests.models.axial_vit_counts import AXIAL_VIT_COUNTS

COUNTS = {name: count for name, _, count, _ in AXIAL_VIT_COUNTS}
NAMES = [name for name in TABLES if name.startswith("axial_vit")]


def test_all_models_are_there():
    found = [row.model for name in NAMES for row in TABLES[name].rows]
    assert len(found) == len(set(found)) == 9
    expected = {
        name
        for name in list_models("*axial_vit_*")
        if not name.endswith(("_backbone", "_classifier"))
    }
    assert set(found) == expected


@pytest.mark.parametrize(
    "name, index",
    [
        ("axial_vit", 0),
        pytest.param("axial_vit_semantic", 0, marks=pytest.mark.large),
        pytest.param("axial_vit_panoptic", 0, marks=pytest.mark.large),
    ],
)
def test_parameters_are_counted(name, index):
    table = TABLES[name]
    row = table.rows[index]
    ours = compare(row, table)
    assert ours.trainable == ours.counted == COUNTS[row.model]
    assert 0 < ours.products <= ours.tally
    assert ours.parameters_agree is ours.multiply_adds_agree is None
