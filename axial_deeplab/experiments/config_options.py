"""Options of an experiment: read from files and flags, applied and checked.

Model Garden's own parser takes any value for any option, adds unknown options
to sections that are empty, and opens an override that it cannot read as a file.
Here each of these is a `ValueError` that names the option and where it stands.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import yaml
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import hyperparams

from axial_deeplab.experiments.classification_configs import (
    CLASSIFICATION_EXPERIMENTS,
)
from axial_deeplab.experiments.config_checks import check_known, check_options
from axial_deeplab.experiments.panoptic_configs import PANOPTIC_EXPERIMENTS
from axial_deeplab.experiments.semantic_configs import SEMANTIC_EXPERIMENTS


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as a text; everybody else as a number."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


def experiment_config(
    experiment: str,
    config_files: Sequence[str] = (),
    params_override: str = "",
    tpu: str = "",
    flag_options: dict[str, Any] | None = None,
) -> cfg.ExperimentConfig:
    """The registered experiment with files and overrides applied in order.

    Args:
      experiment: name of a registered experiment.
      config_files: YAML files.
      params_override: `a.b=1,c.d=[2,3]` or YAML.
      tpu: address of a TPU.
      flag_options: what flags of their own say; the last word.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the experiment, a file or an option is unknown or unfit.
    """
    try:
        config = exp_factory.get_exp_config(experiment)
    except LookupError as error:
        ours = (
            PANOPTIC_EXPERIMENTS
            | CLASSIFICATION_EXPERIMENTS
            | SEMANTIC_EXPERIMENTS
        )
        near = difflib.get_close_matches(experiment, ours, n=5, cutoff=0.3)
        raise ValueError(
            f"Unknown experiment {experiment!r}; nearest: "
            f"{', '.join(near) or 'none'}. The files in configs/ name theirs."
        ) from error
    for path in config_files:
        apply_options(config, read_option_file(path), path)
    if tpu:
        config.override({"runtime": {"tpu": tpu}})
    override = parse_override(params_override)
    apply_options(config, override, "--params_override")
    if flag_options:
        apply_options(config, flag_options, "the flags")
    _fit_schedule_to_training(config)
    config.lock()
    return config


def _fit_schedule_to_training(config: cfg.ExperimentConfig) -> None:
    """Gives our schedules the end and the batch of the training."""
    rate = config.trainer.optimizer_config.learning_rate
    if not f"{rate.type}".startswith("warmup_"):
        return
    schedule = rate.get()
    if schedule.total_steps is None:
        schedule.total_steps = config.trainer.train_steps
    if getattr(schedule, "batch_size", 0) is None:
        schedule.batch_size = config.task.train_data.global_batch_size


def read_option_file(path: str) -> dict[str, Any]:
    """Options of a YAML file; an empty file has none.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no YAML file of options.
    """
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise FileNotFoundError(f"There is no configuration file {path}.")
    try:
        with tf.io.gfile.GFile(path) as file:
            return _options(file.read(), path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no YAML file: {error}") from error


def write_option_file(config: cfg.ExperimentConfig, path: str) -> None:
    """Writes all options as YAML, whole or not at all."""
    text = yaml.safe_dump(config.as_dict(), default_flow_style=None)
    partial = f"{path}.partial"
    with tf.io.gfile.GFile(partial, "w") as file:
        file.write(text)
    tf.io.gfile.rename(partial, path, overwrite=True)


def parse_override(text: str) -> dict[str, Any]:
    """Options of `a.b=1,c.d=[2,3]` or of a YAML text.

    Raises:
      ValueError: it is neither.
    """
    try:
        text = hyperparams.nested_csv_str_to_json_str(text)
    except ValueError:
        pass  # then it must be YAML
    return _options(text, "--params_override")


def apply_options(
    config: cfg.ExperimentConfig, options: dict[str, Any], source: str
) -> None:
    """Changes a configuration in place.

    Args:
      config: what to change.
      options: new values, nested as the sections are.
      source: where they come from, for errors.

    Raises:
      ValueError: an option is unknown or cannot have its value.
    """
    check_known(options, config, source)
    try:
        config.override(options)
        check_options(config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: {error}") from error


def _options(text: str, source: str) -> dict[str, Any]:
    try:
        options = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), error
        if mark:
            problem = f"line {mark.line + 1}, {error.problem}"
        raise ValueError(
            f"{source} is malformed: {problem} (special characters need quotes)"
        ) from error
    if options is None:
        return {}
    if not isinstance(options, dict):
        raise ValueError(
            f"{source} holds no options like task.model.name=NAME; got "
            f"{text.strip()[:60]!r}."
        )
    return options
