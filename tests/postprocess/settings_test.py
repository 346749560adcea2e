import numpy as np
import pytest

from axial_deeplab.postprocess import PanopticSettings


def test_is_thing():
    settings = PanopticSettings([1, 3], ignore_label=0, label_divisor=256)
    np.testing.assert_array_equal(
        settings.is_thing(5), [False, True, False, True, False]
    )
    assert hash(settings) == hash(PanopticSettings((1, 3), 0, 256))


def test_thing_beyond_the_classes_is_named():
    settings = PanopticSettings((1, 7), ignore_label=0, label_divisor=256)
    with pytest.raises(ValueError, match=r"\[7\].*0\.\.4"):
        settings.is_thing(5)


@pytest.mark.parametrize(
    "bad",
    [
        {"center_threshold": -0.1},
        {"center_threshold": float("nan")},
        {"nms_kernel_px": 0},
        {"keep_k_centers": -1},
        {"stuff_area_limit_px": -1},
        {"label_divisor": 1},
        {"label_divisor": 2**30},
        {"thing_ids": (-1, 2)},
        {"ignore_label": -1},
    ],
)
def test_values_out_of_range_are_errors(bad):
    good = {"thing_ids": (1,), "ignore_label": 255, "label_divisor": 1000}
    with pytest.raises(ValueError, match=next(iter(bad))):
        PanopticSettings(**(good | bad))
