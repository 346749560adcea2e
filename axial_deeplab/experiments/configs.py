"""Sections of experiments, and what all experiments have in common.

Configurations hold names and run-time settings only; what a model is made of
stands in the tables of `axial_deeplab.models`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import hyperparams

from axial_deeplab.experiments.optimizers import (
    OptimizationConfig,
    TrainerConfig,
)


@dataclasses.dataclass
class BackboneConfig(hyperparams.Config):
    """A name of `create_model` and options; the task adds the classes.

    Null is what the name stands for.
    """

    name: str = ""
    output_stride: int | None = None
    span: int | None = None
    width: float | None = None
    drop_path: float = 0.0
    recompute: bool = False
    norm_momentum: float = 0.99
    norm_epsilon: float = 1e-3


@dataclasses.dataclass
class ModelConfig(BackboneConfig):
    """The same of a panoptic model."""

    name: str = "axial_deeplab_s"
    output_stride: int | None = 16
    aspp: bool | None = None
    decoder: str = "conv"


@dataclasses.dataclass
class PanopticDataConfig(cfg.DataConfig):
    """Records to batches; see `data.pipeline.PipelineConfig`.

    `input_path` and `crop_size_px` must be set. The augmentation entries act
    in training only. Before the first step, `checked_records` are read (-1:
    all), equally many of each file; `max_bad_records` may be left out later.
    """

    crop_size_px: list[int] = dataclasses.field(default_factory=list)
    resize_long_side_px: int | None = None
    resize_short_side_px: int | None = None
    scale_range: list[float] = dataclasses.field(
        default_factory=lambda: [1.0, 1.0]
    )
    scale_step: float = 0.1
    flip: bool = True
    colour: str | None = None
    largest_class_share: float | None = None
    shuffle_buffer_size: int = 1000
    max_bad_records: int = 0
    checked_records: int = 64


@dataclasses.dataclass
class LossConfig(hyperparams.Config):
    """Arguments of `losses.panoptic_losses`, and of the target maps."""

    top_k_fraction: float = 0.2
    semantic_weight: float = 1.0
    center_weight: float = 200.0
    offset_weight: float = 0.01
    center_sigma_px: int = 8
    small_instance_area_px: int = 4096
    small_instance_weight: float = 3.0


@dataclasses.dataclass
class PostprocessConfig(hyperparams.Config):
    """Thresholds of `postprocess.PanopticSettings`."""

    center_threshold: float = 0.1
    nms_kernel_px: int = 13
    keep_k_centers: int = 200
    stuff_area_limit_px: int = 2048


@dataclasses.dataclass
class MultiScaleConfig(hyperparams.Config):
    """Runs of an evaluation that are averaged: `models.MultiScale`."""

    scales: list[float] = dataclasses.field(default_factory=lambda: [1.0])
    flip: bool = False


@dataclasses.dataclass
class PanopticTaskConfig(cfg.TaskConfig):
    """Panoptic segmentation of one data set (`data.dataset_specs`).

    Evaluation writes its maps as COCO-panoptic PNG and JSON files to
    `prediction_subdir` of the model folder; empty: nowhere; and draws its first
    `validation_pictures` images. Training starts
    from `init_checkpoint` (a file prefix, or a folder: its latest), of which
    the parts `init_checkpoint_modules` are taken.
    """

    dataset: str = "shapes"
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    train_data: PanopticDataConfig = dataclasses.field(
        default_factory=lambda: PanopticDataConfig(is_training=True)
    )
    validation_data: PanopticDataConfig = dataclasses.field(
        default_factory=lambda: PanopticDataConfig(
            is_training=False, drop_remainder=False
        )
    )
    losses: LossConfig = dataclasses.field(default_factory=LossConfig)
    postprocess: PostprocessConfig = dataclasses.field(
        default_factory=PostprocessConfig
    )
    multi_scale: MultiScaleConfig = dataclasses.field(
        default_factory=MultiScaleConfig
    )
    prediction_subdir: str = ""
    validation_pictures: int = 4
    init_checkpoint: str = ""
    init_checkpoint_modules: list[str] = dataclasses.field(
        default_factory=lambda: ["backbone"]
    )


def experiment(
    task: cfg.TaskConfig,
    steps: int,
    report_steps: int,
    optimization: dict[str, Any],
    evaluations: int = 4,
) -> cfg.ExperimentConfig:
    """An experiment that is reported, saved and evaluated on its way."""
    trainer = TrainerConfig(
        train_steps=steps,
        steps_per_loop=report_steps,
        summary_interval=report_steps,
        checkpoint_interval=max(steps // (2 * evaluations), report_steps),
        validation_interval=max(steps // evaluations, report_steps),
        optimizer_config=OptimizationConfig(optimization),
    )
    return cfg.ExperimentConfig(
        runtime=cfg.RuntimeConfig(distribution_strategy="one_device"),
        task=task,
        trainer=trainer,
    )


def register_experiments(
    factories: Mapping[str, Callable[[], cfg.ExperimentConfig]],
) -> None:
    """Makes experiments known to Model Garden by their names."""
    for name, factory in factories.items():
        exp_factory.register_config_factory(name)(factory)
