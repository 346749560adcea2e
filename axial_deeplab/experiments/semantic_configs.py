"""Experiments that train semantic models: SegNeXt's recipe, and shapes.

A model of another family becomes an experiment by its line in a table here.
"""

import dataclasses
import functools
from typing import Any

from official.core import config_definitions as cfg

from axial_deeplab.experiments.configs import (
    BackboneConfig,
    MultiScaleConfig,
    PanopticDataConfig,
    experiment,
    register_experiments,
)
from axial_deeplab.models.semantic_rows import SEGNEXTS, SEMANTIC_AXIAL_VITS


@dataclasses.dataclass
class SemanticModelConfig(BackboneConfig):
    """The same of a semantic model; the norms are SegNeXt's."""

    name: str = "segnext_t"
    drop_path: float | None = None
    norm_momentum: float = 0.9
    norm_epsilon: float = 1e-5
    decoder: str = "hamburger"
    draw: str = "training"


@dataclasses.dataclass
class SemanticTaskConfig(cfg.TaskConfig):
    """Semantic segmentation of one data set (`data.dataset_specs`).

    Evaluation averages over `multi_scale`; `windows_px`, if given, are side
    and stride of the windows that its images are seen in; and draws its
    first `validation_pictures` images. Training starts
    from `init_checkpoint` (a file prefix, or a folder: its latest), of which
    the parts `init_checkpoint_modules` are taken.
    """

    dataset: str = "shapes"
    model: SemanticModelConfig = dataclasses.field(
        default_factory=SemanticModelConfig
    )
    train_data: PanopticDataConfig = dataclasses.field(
        default_factory=lambda: PanopticDataConfig(is_training=True)
    )
    validation_data: PanopticDataConfig = dataclasses.field(
        default_factory=lambda: PanopticDataConfig(
            is_training=False, drop_remainder=False
        )
    )
    multi_scale: MultiScaleConfig = dataclasses.field(
        default_factory=MultiScaleConfig
    )
    windows_px: list[int] = dataclasses.field(default_factory=list)
    validation_pictures: int = 4
    init_checkpoint: str = ""
    init_checkpoint_modules: list[str] = dataclasses.field(
        default_factory=lambda: ["backbone"]
    )


def _optimization(learning_rate: float, warmup_steps: int) -> dict[str, Any]:
    """SegNeXt's optimizer and schedule (arXiv:2209.08575, public code)."""
    schedule = {
        "base_learning_rate": learning_rate,
        "warmup_steps": warmup_steps,
    }
    return {
        "optimizer": {"type": "grouped_adamw"},
        "learning_rate": {
            "type": "warmup_times_poly",
            "warmup_times_poly": schedule,
        },
    }


def segnext_shapes() -> cfg.ExperimentConfig:
    """The synthetic scenes; minutes on a CPU.

    From scratch, where the recipe starts from ImageNet: so the rate is larger,
    and no path is dropped.
    """
    data = {"crop_size_px": [97, 97], "global_batch_size": 8}
    task = SemanticTaskConfig(
        model=SemanticModelConfig(drop_path=0.0),
        train_data=PanopticDataConfig(is_training=True, **data),
        validation_data=PanopticDataConfig(
            is_training=False, drop_remainder=False, **data
        ),
    )
    return experiment(task, 1200, 20, _optimization(5e-4, 50))


@dataclasses.dataclass(frozen=True)
class _Recipe:
    """What differs between data sets (arXiv:2209.08575, appendix).

    Images are fitted into `long_px` and `short_px` before they are scaled by
    half to twice and cropped; whole images of the evaluation are fitted into
    `whole_px`, (height, width), and may be seen in windows.
    """

    dataset: str
    crop_px: int
    batch_size: int
    steps: int
    long_px: int
    short_px: int
    whole_px: tuple[int, int]
    windows_px: tuple[int, ...] = ()


# The public configurations; those of VOC, Context and iSAID are not public, and
# have the base of the library that they build on. An evaluation batch needs one
# size: long images get smaller here than in the paper, which tests at a shorter
# side of `short_px`.
RECIPES = {
    "ade20k": _Recipe(
        "ade20k_semantic", 512, 16, 160_000, 2048, 512, (1024, 1024)
    ),
    "cityscapes": _Recipe(
        *("cityscapes_panoptic", 1024, 8, 160_000, 2048, 1024, (1024, 2048)),
        windows_px=(1024, 768),
    ),
    "coco_stuff": _Recipe(
        "coco_stuff", 512, 16, 80_000, 2048, 512, (1024, 1024)
    ),
    "pascal_voc": _Recipe(
        "pascal_voc", 512, 16, 80_000, 2048, 512, (1024, 1024)
    ),
    "pascal_context": _Recipe(
        "pascal_context", 480, 16, 80_000, 520, 520, (520, 520)
    ),
    "isaid": _Recipe("isaid", 896, 16, 160_000, 896, 896, (896, 896)),
}


def segnext(model: str, recipe: _Recipe) -> cfg.ExperimentConfig:
    """A SegNeXt as published, after its encoder's training on ImageNet.

    Or a semantic axial vision transformer likewise, which no paper trains.
    """
    task = SemanticTaskConfig(
        dataset=recipe.dataset,
        model=SemanticModelConfig(name=model),
        train_data=PanopticDataConfig(
            is_training=True,
            global_batch_size=recipe.batch_size,
            crop_size_px=[recipe.crop_px] * 2,
            resize_long_side_px=recipe.long_px,
            resize_short_side_px=recipe.short_px,
            scale_range=[0.5, 2.0],
            scale_step=0.0,
            colour="photometric_distortion",
            largest_class_share=0.75,
        ),
        validation_data=PanopticDataConfig(
            is_training=False,
            drop_remainder=False,
            global_batch_size=8,
            crop_size_px=list(recipe.whole_px),
            resize_long_side_px=max(recipe.whole_px),
            resize_short_side_px=recipe.short_px,
        ),
        windows_px=list(recipe.windows_px),
    )
    return experiment(task, recipe.steps, 100, _optimization(6e-5, 1500), 20)


_MODELS = (*SEGNEXTS, *SEMANTIC_AXIAL_VITS)

SEMANTIC_EXPERIMENTS = {"segnext_shapes": segnext_shapes} | {
    f"{model}_{name}": functools.partial(segnext, model, recipe)
    for name, recipe in RECIPES.items()
    for model in _MODELS
}

register_experiments(SEMANTIC_EXPERIMENTS)
