r"""Evaluates one model at many image sizes and plots PQ against the ratio.

python tools/scale_stress_test.py --experiment=axial_deeplab_shapes \
    --checkpoint=runs/shapes --output_dir=runs/shapes/scales \
    --params_override=task.validation_data.input_path='shapes/val-*.tfrecord'

Figure 4 of arXiv:2003.07853: the model was trained at one size, ratio 1, that
of task.validation_data.crop_size_px (the paper: 1025x1025, ratio 4 is
4097x4097). At each ratio the images are resized, the predictions are resized
back, and post-processing and metric are those of ratio 1. trainer.
validation_steps, if set, bounds the images.

--checkpoint is a prefix or folder of tools/train.py (its latest), or a .keras
file. --saved_model is a folder of tools/export.py instead, whose segments are
formed inside, at the size that it sees, and resized back as they are.

Writes OUTPUT_DIR/scale_stress_test.json, after each ratio, and .png. Run
again it keeps the ratios that are done. Bad arguments and files end in one
line and exit status 2 (`--verbosity=1` adds the traceback).
"""

import hashlib
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import tensorflow as tf  # noqa: E402
from absl import flags  # noqa: E402
from official.core import config_definitions as cfg  # noqa: E402

from axial_deeplab import command_line, evaluation, keys  # noqa: E402
from axial_deeplab.checkpoints import own_files  # noqa: E402
from axial_deeplab.data.image_ops import resize_align_corners  # noqa: E402
from axial_deeplab.experiments import trainer  # noqa: E402
from axial_deeplab.experiments.experiment_flags import (  # noqa: E402
    config_from_flags,
    define_experiment_flags,
)
from axial_deeplab.experiments.panoptic_evaluation import (  # noqa: E402
    summary_metrics,
)
from axial_deeplab.experiments.panoptic_task import (  # noqa: E402
    pipeline_config,
)
from axial_deeplab.experiments.scale_evaluation import (  # noqa: E402
    Predict,
    evaluate_prediction,
    model_prediction,
    scaled_size,
)
from axial_deeplab.experiments.scale_table import (  # noqa: E402
    draw_table,
    format_table,
    read_table,
)
from axial_deeplab.experiments.step_line import write_line  # noqa: E402
from axial_deeplab.export import read_metadata  # noqa: E402

TABLE, PICTURE = "scale_stress_test.json", "scale_stress_test.png"
RATIOS = "0.25,0.5,0.75,1,1.5,2,3,4"


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    define_experiment_flags(values)
    for name, text in (
        ("checkpoint", "Prefix, folder or .keras file."),
        ("saved_model", "Folder of a SavedModel, instead of --checkpoint."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.DEFINE_list(
        "ratios", RATIOS, "Ratios of the sides.", flag_values=values
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder to write to; made where it is missing.",
        flag_values=values,
        required=True,
    )


def stress_test(values: flags.FlagValues) -> str:
    """Runs what the flags describe; returns the table to print."""
    ratios = parse_ratios(values.ratios)
    config = config_from_flags(values)
    # Before the work, not after it.
    pipeline_config(config.task.validation_data, config.task)
    path = pathlib.Path(values.output_dir, TABLE)
    settings = _settings(values, config)
    table = read_table(path, settings)
    done = {one["ratio"] for one in table["results"]}
    missing = [ratio for ratio in ratios if ratio not in done]
    predict_at = _load(values, config) if missing else None
    path.parent.mkdir(parents=True, exist_ok=True)
    if done:
        write_line(f"{path} has {len(done)} ratios already; they are kept")
    for number, ratio in enumerate(missing, start=1):
        size = "x".join(map(str, _size(config, ratio)))
        write_line(f"ratio {ratio:g} ({number} of {len(missing)}): {size}")
        result = _evaluate(predict_at(ratio), config, ratio)
        table["results"].append(result)
        table["results"].sort(key=lambda one: one["ratio"])
        evaluation.write_report(path, table)
    table, picture = read_table(path, settings), path.with_name(PICTURE)
    draw_table(table, picture, f"{values.experiment}, {_source(values).name}")
    return f"{format_table(table)}\n\nPicture: {picture}"


def parse_ratios(texts: Sequence[str]) -> list[float]:
    """Positive numbers in ascending order, each once."""
    try:
        ratios = sorted({float(text) for text in texts})
    except ValueError as error:
        raise ValueError(f"--ratios must be numbers: {error}") from error
    if not ratios or not 0 < ratios[0] <= ratios[-1] < float("inf"):
        raise ValueError(f"--ratios must be positive; got {','.join(texts)}.")
    return ratios


def _source(values: flags.FlagValues) -> pathlib.Path:
    """What is evaluated: a SavedModel, a .keras file or a prefix."""
    if bool(values.checkpoint) == bool(values.saved_model):
        raise ValueError("Either --checkpoint or --saved_model must be set.")
    path = values.checkpoint or values.saved_model
    if values.checkpoint and not path.endswith(".keras"):
        path = own_files.resolve_checkpoint(path)
    return pathlib.Path(path)


def _settings(
    values: flags.FlagValues, config: cfg.ExperimentConfig
) -> dict[str, Any]:
    """What has to be the same for all ratios of a table."""
    source, task = _source(values), config.task
    settings = {
        "task.dataset": task.dataset,
        "task.validation_data": task.validation_data.as_dict(),
        "trainer.validation_steps": config.trainer.validation_steps,
    }
    if values.saved_model:
        dataset = read_metadata(source).dataset.name
        if dataset != task.dataset:
            raise ValueError(
                f"{source} is of the data set {dataset}, the "
                f"experiment of {task.dataset}."
            )
        names = "saved_model.pb", "variables/variables.index"
        files = [source / name for name in names]
    else:
        settings["task.postprocess"] = task.postprocess.as_dict()
        settings["task.model"] = task.model.as_dict()
        # The index of a checkpoint holds the checksums of all weights.
        is_file = source.suffix == ".keras"
        files = [source if is_file else pathlib.Path(f"{source}.index")]
    content = b"".join(file.read_bytes() for file in files)
    return settings | {"model": hashlib.sha256(content).hexdigest()}


def _load(
    values: flags.FlagValues, config: cfg.ExperimentConfig
) -> Callable[[float], Predict]:
    """The model, as what predicts segments at a ratio."""
    if values.saved_model:
        loaded = tf.saved_model.load(values.saved_model)
        return lambda ratio: saved_model_prediction(loaded, ratio)
    model = own_files.load_model(
        str(_source(values)), lambda: trainer.build_model(config)
    )
    return lambda ratio: model_prediction(model, config.task, ratio)


def saved_model_prediction(loaded: Any, ratio: float) -> Predict:
    """Segments of a loaded SavedModel that sees its images at a ratio."""
    serve = loaded.signatures["serving_default"]

    def predict(images: tf.Tensor) -> tf.Tensor:
        size = tuple(images.shape[1:3])
        scaled = resize_align_corners(images, scaled_size(size, ratio))
        pixels = tf.cast(tf.round(scaled), tf.uint8)
        maps = serve(images=pixels)[keys.PANOPTIC][..., tf.newaxis]
        return resize_align_corners(maps, size, "nearest")[..., 0]

    return predict


def _size(config: cfg.ExperimentConfig, ratio: float) -> tuple[int, int]:
    return scaled_size(config.task.validation_data.crop_size_px, ratio)


def _evaluate(
    predict: Predict, config: cfg.ExperimentConfig, ratio: float
) -> dict[str, Any]:
    """One entry of the table; larger images go in smaller batches."""
    most = config.task.validation_data.global_batch_size
    steps, start = config.trainer.validation_steps, time.monotonic()
    report, images = evaluate_prediction(
        predict,
        config.task,
        batch_size=max(1, int(most / max(ratio, 1) ** 2)),
        image_limit=steps * most if steps > 0 else -1,
    )
    return {
        "ratio": ratio,
        "size_px": _size(config, ratio),
        "images": images,
        "seconds_per_image": (time.monotonic() - start) / images,
        **summary_metrics(report),
    }


if __name__ == "__main__":
    command_line.run_tool(stress_test, define_flags)
