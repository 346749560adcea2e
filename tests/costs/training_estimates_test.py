import math

import pytest

from axial_deeplab.costs import training_estimates
from axial_deeplab.costs.training_estimates import Hardware, Recipe


def test_hours_follow_from_counts_and_assumptions(monkeypatch):
    """By hand: 2 * 4 operations a multiply-add, 10 steps of 3 images."""
    recipe = Recipe(19, (65, 97), 3, 10, ("axial_deeplab_xs",))
    monkeypatch.setattr(training_estimates, "RECIPES", {"toy": recipe})
    image = training_estimates.multiply_adds(recipe, "axial_deeplab_xs")
    seconds = 2 * 4 * image * 30 / (2 * 1e6)  # two devices of 1e6 a second
    hardware = {"two": Hardware(2, 1e6)}
    monkeypatch.setattr(training_estimates, "HARDWARE", hardware)
    _, cells = training_estimates.format_rows()
    assert cells[:3] == ["toy", "axial_deeplab_xs", "0.00 M"]
    best, _, worst = cells[-1].replace(",", "").split()
    assert float(best) == pytest.approx(seconds / 0.4 / 3600, abs=0.5)
    assert float(worst) == pytest.approx(seconds / 0.1 / 3600, abs=0.5)


def test_multiply_adds_grow_with_the_pixels():
    small, large = (
        training_estimates.multiply_adds(
            Recipe(9, size, 1, 1, ()), "axial_deeplab_xs"
        )
        for size in ((129, 129), (257, 257))
    )
    assert math.isclose(large / small, 4, rel_tol=0.1)
