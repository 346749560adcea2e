"""Experiments that train panoptic models: shapes, and those of the paper.

A model of another family becomes an experiment by its line in a table here.
"""

import dataclasses
import functools

from official.core import config_definitions as cfg

from axial_deeplab.experiments.configs import (
    LossConfig,
    ModelConfig,
    PanopticDataConfig,
    PanopticTaskConfig,
    PostprocessConfig,
    experiment,
    register_experiments,
)
from axial_deeplab.models.panoptic_rows import PANOPTIC_AXIAL_VITS


def _experiment(
    task: PanopticTaskConfig,
    steps: int,
    learning_rate: float,
    warmup_steps: int,
    report_steps: int,
) -> cfg.ExperimentConfig:
    """Axial-DeepLab's optimizer and schedule (arXiv:2003.07853, section 4)."""
    schedule = {
        "base_learning_rate": learning_rate,
        "warmup_steps": warmup_steps,
    }
    optimization = {
        "optimizer": {"type": "radam_lookahead"},
        "learning_rate": {"type": "warmup_poly", "warmup_poly": schedule},
    }
    return experiment(task, steps, report_steps, optimization)


def axial_deeplab_shapes() -> cfg.ExperimentConfig:
    """A small Axial-DeepLab on the synthetic scenes; minutes on a CPU.

    Small things and few steps ask for what the full recipes do not: narrow
    heatmap peaks, all pixels in the loss (the hardest fifth alone learns
    slowly from scratch) and batch norm that forgets quickly.
    """
    data = {"crop_size_px": [97, 97], "global_batch_size": 8}
    task = PanopticTaskConfig(
        dataset="shapes",
        model=ModelConfig(name="axial_deeplab_xs", norm_momentum=0.9),
        train_data=PanopticDataConfig(is_training=True, **data),
        validation_data=PanopticDataConfig(
            is_training=False, drop_remainder=False, **data
        ),
        losses=LossConfig(
            top_k_fraction=1.0, center_sigma_px=4, small_instance_weight=1.0
        ),
        postprocess=PostprocessConfig(nms_kernel_px=7, stuff_area_limit_px=32),
    )
    return _experiment(task, 1200, 3e-3, warmup_steps=50, report_steps=20)


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What differs between data sets.

    Images are given a longer side of `long_px` before they are scaled and
    cropped, and whole in evaluation, padded to `whole_px`, (height, width).
    """

    dataset: str
    crop_px: tuple[int, int]
    whole_px: tuple[int, int]
    batch_size: int
    steps: int
    long_px: int | None = None
    scale_range: tuple[float, float] = (0.5, 2.0)
    nms_kernel_px: int = 13
    stuff_area_limit_px: int = 2048


# arXiv:2003.07853, section 4, which follows arXiv:1911.10194. Sizes are those
# behind the multiply-adds that it prints; DeepLab2's configurations have 641
# pixels for COCO. Nobody has published how long the warm-up is, nor the
# post-processing on Mapillary Vistas, which is that of Cityscapes here.
_RECIPES = {
    "coco": _Recipe(
        "coco_panoptic",
        *((1025, 1025), (1025, 1025), 64, 200_000),
        long_px=1025,
        scale_range=(0.5, 1.5),
        nms_kernel_px=41,
        stuff_area_limit_px=4096,
    ),
    "cityscapes": _Recipe(
        "cityscapes_panoptic", (1025, 2049), (1025, 2049), 32, 60_000
    ),
    "mapillary": _Recipe(
        "mapillary_panoptic",
        *((1025, 1025), (2177, 2177), 64, 150_000),
        long_px=2177,
    ),
}


def published(
    model: str, recipe: _Recipe, drop_path: float = 0.0
) -> cfg.ExperimentConfig:
    """A panoptic model as arXiv:2003.07853 trains its own.

    Residual blocks recompute what the gradient needs: so large crops fit into
    memory.
    """
    span = 65 if model.startswith("axial_") else None
    task = PanopticTaskConfig(
        dataset=recipe.dataset,
        model=ModelConfig(
            name=model, span=span, drop_path=drop_path, recompute=True
        ),
        train_data=PanopticDataConfig(
            is_training=True,
            global_batch_size=recipe.batch_size,
            crop_size_px=list(recipe.crop_px),
            resize_long_side_px=recipe.long_px,
            scale_range=list(recipe.scale_range),
        ),
        validation_data=PanopticDataConfig(
            is_training=False,
            drop_remainder=False,
            global_batch_size=8,
            crop_size_px=list(recipe.whole_px),
            resize_long_side_px=recipe.long_px,
        ),
        postprocess=PostprocessConfig(
            nms_kernel_px=recipe.nms_kernel_px,
            stuff_area_limit_px=recipe.stuff_area_limit_px,
        ),
    )
    return _experiment(task, recipe.steps, 1e-3, 2000, report_steps=100)


PANOPTIC_MODELS = (
    *(f"axial_deeplab_{size}" for size in ("s", "m", "l", "xl")),
    *(
        f"panoptic_deeplab_{backbone}"
        for backbone in (
            "resnet50",
            "resnet101",
            "attention",
            "ps_attention",
            "xception71",
        )
    ),
)

PANOPTIC_EXPERIMENTS = {"axial_deeplab_shapes": axial_deeplab_shapes} | {
    f"{model}_{name}": functools.partial(published, model, recipe)
    for name, recipe in _RECIPES.items()
    for model in PANOPTIC_MODELS
}
# No paper's: around the axial vision transformers.
PANOPTIC_EXPERIMENTS |= {
    f"{model}_{name}": functools.partial(
        published, model, recipe, row.backbone.drop_path
    )
    for name, recipe in _RECIPES.items()
    for model, row in PANOPTIC_AXIAL_VITS.items()
}

register_experiments(PANOPTIC_EXPERIMENTS)
