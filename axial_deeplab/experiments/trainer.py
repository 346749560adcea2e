"""Runs an experiment, and says in one line why it could not."""

import contextlib
import io
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.core import task_factory
from official.modeling import performance

from axial_deeplab.checkpoints.own_files import resolve_checkpoint

# Importing the tasks makes them known to Model Garden.
from axial_deeplab.experiments import (  # noqa: F401
    classification_task,
    panoptic_task,
    semantic_task,
)
from axial_deeplab.experiments.checkpoints import remove_unfinished
from axial_deeplab.experiments.config_checks import check_for_workers
from axial_deeplab.experiments.record_files import check_records
from axial_deeplab.experiments.runner import ExperimentRunner
from axial_deeplab.experiments.strategies import make_strategy
from axial_deeplab.workers import Workers

MODES = ("train", "eval", "train_and_eval", "continuous_eval")


def build_model(config: cfg.ExperimentConfig) -> tf_keras.Model:
    """The model of an experiment, with weights at their initial values."""
    return task_factory.get_task(config.task).build_model()


def run_experiment(
    config: cfg.ExperimentConfig, mode: str, model_dir: str
) -> tuple[tf_keras.Model, dict[str, Any] | None]:
    """Trains, evaluates or both; resumes from what `model_dir` holds.

    Returns:
      The model and the report of the last evaluation, None without one.

    Raises:
      FileNotFoundError: there is nothing to evaluate, or no data.
      ValueError: unknown mode, a checkpoint of another model, unfit data.
      OSError: `model_dir` cannot be written to.
      ConnectionError: there is no such TPU, or another worker has ended.
      RuntimeError: the loss is NaN or out of bounds.
      Preempted: SIGTERM came; the state of training is saved.
    """
    if mode not in MODES:
        raise ValueError(f"--mode must be one of {MODES}; got {mode!r}.")
    if mode == "eval":
        resolve_checkpoint(model_dir)
    # First of all: TensorFlow's work fixes its devices and its cluster.
    strategy = make_strategy(config.runtime)
    # Always: an earlier experiment of this process may have set another one.
    performance.set_mixed_precision_policy(
        config.runtime.mixed_precision_dtype or "float32"
    )
    workers = Workers(strategy)
    if workers.count > 1:
        check_for_workers(config, mode)
    with contextlib.ExitStack() as stack:
        own_dir = stack.enter_context(_own_folder(model_dir, workers))
        # Orbit prints each loop's output as it is; `StepLine` replaces that.
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        with strategy.scope():
            task = task_factory.get_task(config.task, logging_dir=own_dir)
        for data in _splits(config, mode):
            task.check_data(data)
        runner = ExperimentRunner(strategy, task, mode, config, own_dir)
        with _failures_explained(runner):
            runner.run()
    if "eval" in mode and task.report is None:
        raise ValueError(
            f"{config.task.validation_data.input_path} holds no example."
        )
    return runner.trainer.model, task.report


def _splits(
    config: cfg.ExperimentConfig, mode: str
) -> Iterator[cfg.DataConfig]:
    """What a mode reads."""
    if "train" in mode:
        yield config.task.train_data
    if "eval" in mode:
        yield config.task.validation_data


def format_report(config: cfg.ExperimentConfig, report: dict[str, Any]) -> str:
    """The report of an experiment as a table for people."""
    return task_factory.get_task_cls(type(config.task)).format_report(report)


@contextlib.contextmanager
def _own_folder(model_dir: str, workers: Workers) -> Iterator[str]:
    """Where this worker writes: only what the chief writes counts."""
    if not workers.is_chief:
        with tempfile.TemporaryDirectory(prefix="worker") as scratch:
            yield scratch
        return
    with _model_folder(model_dir):
        remove_unfinished(model_dir)
        yield model_dir


@contextlib.contextmanager
def _model_folder(model_dir: str) -> Iterator[None]:
    """Makes the folder; a failure before its first file removes it again."""
    existed = tf.io.gfile.exists(model_dir)
    if existed and not tf.io.gfile.isdir(model_dir):
        raise NotADirectoryError(f"--model_dir: {model_dir} is no folder.")
    try:
        tf.io.gfile.makedirs(model_dir)
        probe = f"{model_dir}/.writable"
        with tf.io.gfile.GFile(probe, "w") as file:
            file.write("")
        tf.io.gfile.remove(probe)
    except tf.errors.OpError as error:
        raise OSError(
            f"--model_dir: {model_dir} cannot be written to."
        ) from error
    try:
        yield
    except BaseException:
        files = (names for _, _, names in tf.io.gfile.walk(model_dir))
        if not existed and not any(files):
            tf.io.gfile.rmtree(model_dir)
        raise


@contextlib.contextmanager
def _failures_explained(runner: ExperimentRunner) -> Iterator[None]:
    """Adds step and file to errors of a run that know neither."""
    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        _explain_failed_writing(runner, error)
        _explain_failed_reading(runner, error)
        raise
    except RuntimeError as error:  # Model Garden's check of the loss
        step = int(runner.trainer.global_step.numpy())
        where = runner.blow_ups.last or "unknown where"
        raise RuntimeError(
            f"Training stopped at step {step}: {error} It was so {where}. "
            "Lower the learning rate, look at these images, or let "
            "trainer.recovery_max_trials go back to the last checkpoint more "
            "often."
        ) from error


def _explain_failed_writing(runner: ExperimentRunner, error: Exception) -> None:
    """Names what could not be written, and removes its parts.

    Raises:
      OSError: the error is about a file in the folder of the run.
    """
    folder = runner.model_dir
    if folder not in f"{error}":
        return
    with contextlib.suppress(tf.errors.OpError):
        remove_unfinished(folder)
    found = re.search(rf"{re.escape(folder)}\S*; .*?(?= \[Op:|$)", f"{error}")
    raise OSError(
        f"--model_dir: {folder} cannot be written to: "
        f"{found[0] if found else error}. The last good checkpoint is "
        f"{runner.checkpoint_manager.latest_checkpoint}."
    ) from error


def _explain_failed_reading(runner: ExperimentRunner, error: Exception) -> None:
    """Tells whose fault it is that data, or another worker, did not answer.

    Raises:
      ConnectionError: another worker has ended.
      ValueError: records are damaged, or there are none.
    """
    if isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError):
        raise ConnectionError(
            "Another worker has ended or cannot be reached; start all of them "
            "again, and they go on from the last checkpoint: "
            f"{error.message.strip().splitlines()[0]}"
        ) from error
    if isinstance(error, tf.errors.InvalidArgumentError):
        _name_unreadable(runner, error)
    if isinstance(error, tf.errors.DataLossError | tf.errors.OutOfRangeError):
        task = runner.params.task
        for data in (task.train_data, task.validation_data):
            if data.input_path:
                check_records(data.input_path)


def _name_unreadable(
    runner: ExperimentRunner, error: tf.errors.InvalidArgumentError
) -> None:
    """Searches for the record that could not be read.

    Raises:
      ValueError: there is one; our own checks have named it already.
    """
    if "assertion failed" in error.message:
        return
    for data in _splits(runner.params, "train_and_eval"):
        if data.input_path:
            whole = {"checked_records": -1, "max_bad_records": 0}
            runner.task.check_data(data.replace(**whole))
