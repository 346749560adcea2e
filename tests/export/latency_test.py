import gc

import pytest

from axial_deeplab.export import latency
from axial_deeplab.models import presets
from axial_deeplab.timing import TimedModel
from tests.export.toy import TOY_DATASET, ToyPanopticModel


def test_every_side_is_timed(monkeypatch):
    """On a toy; its numbers mean nothing."""
    toy, collected = ToyPanopticModel(), []
    # It would search through all that other tests have left.
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    monkeypatch.setattr(latency, "create_model", lambda name, **_: toy)
    monkeypatch.setattr(latency, "dataset_spec", lambda name: TOY_DATASET)
    case = TimedModel("toy", (33, 41), 2)
    prepared = latency.Prepared(case.model, case.options)
    found = latency.measure(prepared, case, 2)
    assert found.keys() == set(latency.SIDES)
    assert all(len(values) == 2 for values in found.values())
    assert len(collected) == (1 + 2) * len(latency.SIDES)
    assert all(value > 0 for values in found.values() for value in values)


def test_rows_are_ratios_of_a_turn():
    seconds = {
        "forward": [1.0, 2.0, 4.0],
        "forward, XLA": [2.0, 2.0, 2.0],
        "segments": [0.1, 0.2, 0.8],
        "predict": [3.0, 3.0, 4.0],
        "SavedModel": [1.5, 4.0, 9.0],
    }
    heading, row = latency.format_rows([TimedModel("a", (3, 5))], [seconds])
    assert dict(zip(heading, row, strict=True)) == {
        **{"row": "-", "model": "a", "image": "3x5", "batch": "1"},
        **{"forward, s": "2", "XLA / forward": "1.00"},
        **{"predict / forward": "1.50", "SavedModel / forward": "2.00"},
        "segments / forward": "0.10",
    }


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("axial_deplab_s", {}, "nearest"),
        ("segnext_t", {}, "must return"),
        ("axial_deeplab_s", {"num_classes": 3}, "leave num_classes out"),
    ],
)
def test_what_cannot_be_measured_is_refused(name, options, message):
    assert latency.create_model is presets.create_model
    with pytest.raises(ValueError, match=message):
        latency.Prepared(name, options)
