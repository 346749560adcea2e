"""Experiments that train semantic models: SegNeXt's recipe, and shapes.

A model of another family becomes an experiment by its line in a table here.
"""

import dataclasses
import functools
from typing import Any

from official.core import config_definitions as cfg
from official.core import exp_factory

from axial_deeplab.experiments.configs import (
    BackboneConfig,
    PanopticDataConfig,
    experiment,
)


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

    Training starts from `init_checkpoint` (a file prefix, or a folder: its
    latest), of which the parts `init_checkpoint_modules` are taken.
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
    return experiment(task, 600, 20, _optimization(5e-4, 50))


def segnext_coco(model: str) -> cfg.ExperimentConfig:
    """The recipe of COCO-Stuff 164k, on the classes of COCO panoptic.

    512x512 crops at half to twice the size, 16 images a step, 80,000 steps.
    """
    data = {"crop_size_px": [512, 512], "resize_long_side_px": 512}
    task = SemanticTaskConfig(
        dataset="coco_panoptic",
        model=SemanticModelConfig(name=model),
        train_data=PanopticDataConfig(
            is_training=True,
            global_batch_size=16,
            scale_range=[0.5, 2.0],
            **data,
        ),
        validation_data=PanopticDataConfig(
            is_training=False,
            drop_remainder=False,
            global_batch_size=8,
            **data,
        ),
    )
    return experiment(task, 80_000, 100, _optimization(6e-5, 1500), 10)


_MODELS = ("segnext_t", "segnext_s", "segnext_b", "segnext_l")

SEMANTIC_EXPERIMENTS = {"segnext_shapes": segnext_shapes} | {
    f"{name}_coco": functools.partial(segnext_coco, name) for name in _MODELS
}

for _name, _factory in SEMANTIC_EXPERIMENTS.items():
    exp_factory.register_config_factory(_name)(_factory)
