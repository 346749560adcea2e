"""What published trainings would cost, from counts and assumptions.

Nothing here is measured. Operations are two for each multiply-add that the
models are charged with (`dry_run`); a step takes four forward passes: one, the
one that recomputes the blocks, and two for the gradients. Devices are assumed
to reach a share of their printed peak. The start from ImageNet is left out,
and so are evaluation, input and communication.
"""

import dataclasses

from axial_deeplab.costs.dry_run import count_costs, create_dry_model

_FORWARD_PASSES = 4
_OPERATIONS = 2  # of a multiply-add
_SECONDS_PER_HOUR, _EXA = 3600, 1e18


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A training on a data set, as the experiments of its name have it."""

    classes: int
    crop_px: tuple[int, int]
    batch: int
    steps: int
    models: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Hardware:
    """Devices and the bfloat16 operations a second that their maker prints."""

    devices: int
    peak: float


_AXIAL = tuple(f"axial_deeplab_{size}" for size in "sml")
_XCEPTION = "panoptic_deeplab_xception71"
RECIPES = {
    "coco": Recipe(*(134, (1025, 1025), 64, 200_000), (*_AXIAL, _XCEPTION)),
    "cityscapes": Recipe(
        *(19, (1025, 2049), 32, 60_000),
        (*_AXIAL, "axial_deeplab_xl", _XCEPTION),
    ),
    "mapillary": Recipe(
        *(65, (1025, 1025), 64, 150_000),
        ("axial_deeplab_l", "axial_deeplab_xl", _XCEPTION),
    ),
}
# A TPU v3 chip has two cores and 123e12 operations a second.
HARDWARE = {
    "1 A100": Hardware(1, 312e12),
    "8 A100": Hardware(8, 312e12),
    "32 TPU v3 cores": Hardware(32, 61.5e12),
}
# Of the peak; the range from a first try to a tuned program.
UTILISATION = (0.1, 0.4)
COLUMNS = (
    *("training", "model", "images", "M-Adds an image, B"),
    *("operations, 1e18", *(f"{name}, hours" for name in HARDWARE)),
)


def format_rows() -> list[list[str]]:
    """The heading and a line of cells for each training."""
    rows = [list(COLUMNS)]
    for name, recipe in RECIPES.items():
        rows += [_cells(name, recipe, model) for model in recipe.models]
    return rows


def multiply_adds(recipe: Recipe, model: str) -> int:
    """Of the forward pass of one crop."""
    span = {"span": 65} if model.startswith("axial_") else {}
    dry = create_dry_model(model, num_classes=recipe.classes, **span)
    return count_costs(dry, recipe.crop_px).total.multiply_adds


def _cells(name: str, recipe: Recipe, model: str) -> list[str]:
    image = multiply_adds(recipe, model)
    images = recipe.batch * recipe.steps
    operations = _OPERATIONS * _FORWARD_PASSES * image * images
    return [
        *(name, model, f"{images / 1e6:.2f} M", f"{image / 1e9:.0f}"),
        f"{operations / _EXA:,.0f}",
        *(_hours(operations, hardware) for hardware in HARDWARE.values()),
    ]


def _hours(operations: float, hardware: Hardware) -> str:
    """From the best to the worst assumed utilisation."""
    peak = hardware.devices * hardware.peak * _SECONDS_PER_HOUR
    best, worst = (operations / (peak * share) for share in UTILISATION[::-1])
    return f"{best:,.0f} to {worst:,.0f}"
