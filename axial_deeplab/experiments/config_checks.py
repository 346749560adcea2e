"""Checks of an experiment's options: known, of the right type, with effect."""

import dataclasses
import difflib
import typing
from typing import Any

from official.core import config_definitions as cfg
from official.modeling import hyperparams

from axial_deeplab.experiments.classification_configs import (
    ClassificationDataConfig,
    ClassificationLossConfig,
    ClassificationTaskConfig,
)
from axial_deeplab.experiments.configs import (
    LossConfig,
    PanopticDataConfig,
    PanopticTaskConfig,
)
from axial_deeplab.experiments.optimizers import TrainerConfig
from axial_deeplab.experiments.option_types import (
    find_problem,
    is_section,
    union_members,
)
from axial_deeplab.experiments.semantic_configs import SemanticTaskConfig

_MIXED_PRECISION = (None, "", "float32", "float16", "bfloat16")

_READING_LOWEST = {
    "shuffle_buffer_size": 1,
    "max_bad_records": 0,
    "checked_records": -1,
}

# Lowest values of options that nobody else checks before the work begins.
_LOWEST = {
    PanopticDataConfig: _READING_LOWEST,
    ClassificationDataConfig: _READING_LOWEST | {"image_size_px": 1},
    LossConfig: {
        "center_sigma_px": 1,
        "small_instance_area_px": 0,
        "small_instance_weight": 0,
    },
    ClassificationLossConfig: {"label_smoothing": 0, "weight_decay": 0},
    ClassificationTaskConfig: {"num_classes": 1, "validation_pictures": 0},
    PanopticTaskConfig: {"validation_pictures": 0},
    SemanticTaskConfig: {"validation_pictures": 0},
    TrainerConfig: {
        "train_steps": 1,
        "accumulation_steps": 1,
        "steps_per_loop": 1,
        "summary_interval": 1,
        "checkpoint_interval": 1,
        "validation_interval": 1,
        "max_to_keep": 1,
    },
}

# What acts in sections that Model Garden fills with options for other
# libraries' pipelines and start scripts.
_READING = {
    "input_path",
    "global_batch_size",
    "is_training",
    "shuffle_buffer_size",
    "seed",
    "max_bad_records",
    "checked_records",
}
_ACTING = {
    PanopticDataConfig: {
        *_READING,
        "drop_remainder",
        "crop_size_px",
        "resize_long_side_px",
        "scale_range",
        "scale_step",
        "flip",
        "colour",
        "largest_class_share",
        "resize_short_side_px",
        "cache",
    },
    ClassificationDataConfig: {
        *_READING,
        "image_size_px",
        "resize_px",
        "area_range",
        "aspect_range",
        "flip",
        "first_label",
    },
    cfg.RuntimeConfig: {
        "distribution_strategy",
        "enable_xla",
        "tpu",
        "num_gpus",
        "all_reduce_alg",
        "num_packs",
        "worker_hosts",
        "task_index",
        "mixed_precision_dtype",
        "loss_scale",
        "tpu_enable_xla_dynamic_padder",
    },
}


def check_known(
    options: dict[str, Any],
    section: hyperparams.Config,
    source: str,
    prefix: str = "",
) -> None:
    """Refuses options that a section, or one inside it, cannot have.

    Args:
      options: values by option, nested as the sections are.
      section: what they are meant for.
      source: where they come from, for errors.
      prefix: sections around this one, as `task.model.`.

    Raises:
      ValueError: naming the option, and the nearest known ones or what its
        value must be.
    """
    hints = typing.get_type_hints(type(section))
    known = [field.name for field in dataclasses.fields(section)]
    for name, value in options.items():
        path = f"{prefix}{name}"
        if name not in known:
            near = difflib.get_close_matches(f"{name}", known, n=3)
            raise ValueError(
                f"{source}: {path}: unknown option; "
                f"{'nearest' if near else 'known'}: {', '.join(near or known)}."
            )
        inner = getattr(section, name)
        if inner is None:  # an optional section is made by its first option
            kinds = filter(is_section, union_members(hints[name]))
            inner = next((kind() for kind in kinds), None)
        if isinstance(value, dict) and isinstance(inner, hyperparams.Config):
            check_known(value, inner, source, f"{path}.")
        elif problem := find_problem(value, hints[name], path):
            raise ValueError(f"{source}: {problem}")


def check_options(config: cfg.ExperimentConfig) -> None:
    """Checks types and limits of all options.

    Raises:
      ValueError: naming the option, its value and what it must be.
    """
    _check_section(config, "")
    steps = config.trainer.validation_steps
    if steps == 0 or steps < -1:
        raise ValueError(
            "trainer.validation_steps: expected 1 or more, or -1 for all, got "
            f"{steps}."
        )
    dtype = config.runtime.mixed_precision_dtype
    if dtype not in _MIXED_PRECISION:
        raise ValueError(
            "runtime.mixed_precision_dtype: expected float32, float16 or "
            f"bfloat16, got {dtype!r}."
        )
    _check_loss_scale(config.runtime)
    _check_average(config)


def _check_loss_scale(runtime: cfg.RuntimeConfig) -> None:
    if (scale := runtime.loss_scale) is None:
        return
    if scale != "dynamic" and (find_problem(scale, float, "") or scale <= 0):
        raise ValueError(
            "runtime.loss_scale: expected dynamic or a positive number, got "
            f"{scale!r}."
        )
    if runtime.mixed_precision_dtype != "float16":
        raise ValueError(
            "runtime.loss_scale: has no effect here, float16 alone needs it; "
            "leave it out."
        )


def _check_average(config: cfg.ExperimentConfig) -> None:
    """Refuses what Model Garden's moving average cannot be wrapped around."""
    if not config.trainer.optimizer_config.ema:
        return
    optimizer = config.trainer.optimizer_config.optimizer.type
    if f"{optimizer}".endswith("_experimental"):
        raise ValueError(
            "trainer.optimizer_config.ema: does not work together with the "
            f"optimizer {optimizer}."
        )


def _check_section(section: hyperparams.Config, prefix: str) -> None:
    """Types, choices and effect of the options of a section."""
    hints = typing.get_type_hints(type(section))
    fields = dataclasses.fields(section)
    acting = _ACTING.get(type(section), {field.name for field in fields})
    default = type(section)()
    for field in fields:
        name, value = f"{prefix}{field.name}", getattr(section, field.name)
        if problem := find_problem(value, hints[field.name], name):
            raise ValueError(problem)
        if field.name not in acting and value != getattr(default, field.name):
            raise ValueError(f"{name}: has no effect here; leave it out.")
        lowest = _LOWEST.get(type(section), {}).get(field.name)
        if lowest is not None and value < lowest:
            raise ValueError(f"{name}: expected {lowest} or more, got {value}.")
        if isinstance(value, hyperparams.Config):
            _check_section(value, f"{name}.")
    if isinstance(section, hyperparams.OneOfConfig):
        known = [field.name for field in fields if field.name != "type"]
        if section.type is not None and section.type not in known:
            raise ValueError(
                f"{prefix}type: expected one of {', '.join(known)}, got "
                f"{section.type!r}."
            )


def check_for_workers(config: cfg.ExperimentConfig, mode: str) -> None:
    """Refuses what several workers cannot do.

    Raises:
      ValueError: naming the option.
    """
    if mode == "continuous_eval":
        raise ValueError(
            "--mode=continuous_eval runs beside the workers, on one: set "
            "runtime.distribution_strategy=one_device."
        )
    task = config.task
    if "train" in mode and task.train_data.seed is None:
        raise ValueError(
            "task.train_data.seed must be set when there are several workers: "
            "without it they may read the same images."
        )
    unfit = {
        "task.validation_data.drop_remainder": getattr(
            task.validation_data, "drop_remainder", None
        ),
        "task.prediction_subdir": getattr(task, "prediction_subdir", None),
    }
    for name, value in unfit.items():
        if value and "eval" in mode:
            raise ValueError(
                f"{name} does not work with several workers; leave it out."
            )
