"""The main job in small, by the tools: from scenes to predicted segments."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from absl import flags
from PIL import Image

from axial_deeplab.evaluation import png_files
from tests.experiments import case
from tools import convert_dataset, evaluate, export, train

PROJECT = pathlib.Path(__file__).resolve().parents[2]
EXPERIMENT = "--experiment=axial_deeplab_shapes"
STEP = "global_step/.ATTRIBUTES/VARIABLE_VALUE"
# Has a fifth of the operations to trace; more than this rate makes it diverge.
SGD = (
    "trainer.optimizer_config.optimizer.type=sgd",
    f"{case.SCHEDULE}.base_learning_rate=1e-5",
)


def call(define_flags, work, *arguments):
    """Does the work of a tool in this process; returns what it prints."""
    values = flags.FlagValues()
    define_flags(values)
    values(["tool", *arguments])
    return work(values)


def convert(folder):
    call(
        convert_dataset.define_flags,
        convert_dataset.convert,
        "--dataset=shapes",
        f"--output_dir={folder}",
        "--train_scenes=4",
        "--val_scenes=3",
        f"--size={case.SIZE_PX}",
        "--shards=2",
    )


def run_train(data, model_dir, mode, *options):
    return call(
        train.define_flags,
        train.train,
        EXPERIMENT,
        f"--mode={mode}",
        f"--model_dir={model_dir}",
        "--params_override="
        + case.override(data, "task.prediction_subdir=files", *SGD, *options),
    )


def predict_in_new_process(saved_model, images, output_dir):
    return subprocess.run(
        [
            sys.executable,
            str(PROJECT / "tools" / "predict.py"),
            f"--saved_model={saved_model}",
            f"--images={images}",
            f"--output_dir={output_dir}",
        ],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def evaluated(truth, found, folder):
    """The report of tools/evaluate.py."""
    call(
        evaluate.define_flags,
        evaluate.evaluate,
        "--metric=panoptic",
        f"--gt_json_file={truth}",
        f"--pred_json_file={found}",
        f"--output_file={folder}/report.json",
    )
    return json.loads((folder / "report.json").read_text())


def test_main_job(tmp_path, monkeypatch, capsys):
    case.use_tiny_axial_deeplab(monkeypatch)
    tf_keras.utils.set_random_seed(3)
    data, run = tmp_path / "data", tmp_path / "run"
    convert(data)
    # Two steps as compiled graph, as users train; eager ones resume faster.
    run_train(data, run, "train")
    capsys.readouterr()
    eager = (
        "trainer.train_tf_while_loop=false",
        "trainer.train_tf_function=false",
        "trainer.eval_tf_function=false",
    )
    table = run_train(
        data, run, "train_and_eval", *eager, "trainer.train_steps=4"
    )
    steps = re.findall(r"^step (\d)/4 ", capsys.readouterr().err, re.M)
    assert steps == ["3", "4"]
    assert tf.train.load_checkpoint(str(run)).get_tensor(STEP) == 4
    assert "Training curves" in table and (run / "training_curves.png").exists()

    saved_model = run / "saved_model"
    call(
        export.define_flags,
        export.export,
        EXPERIMENT,
        f"--config_file={run}/params.yaml",
        f"--checkpoint={run}",
        f"--output_dir={saved_model}",
    )
    done = predict_in_new_process(
        saved_model, data / "val_images", tmp_path / "found"
    )
    assert done.returncode == 0, done.stderr
    overlays = sorted((tmp_path / "found" / "overlays").iterdir())
    assert [path.name for path in overlays] == [
        f"val_00000{i}.png" for i in range(3)
    ]
    assert Image.open(overlays[0]).size == (case.SIZE_PX, case.SIZE_PX)

    # The exported model finds the trainer's segments; where classes tie,
    # another order of sums may decide.
    for index in range(3):
        name = f"val_00000{index}.png"
        exported, trained = (
            png_files.read_id_png(folder / "predictions" / name)
            for folder in (tmp_path / "found", run / "files")
        )
        assert np.mean(exported == trained) > 0.99
    truth = data / "val_panoptic.json"
    found = evaluated(truth, tmp_path / "found" / "predictions.json", tmp_path)
    report = json.loads((run / "evaluation.json").read_text())
    assert found["mean_iou"] == pytest.approx(report["mean_iou"], abs=0.02)
    # The trainer's own files give its numbers exactly.
    again = evaluated(truth, run / "files" / "predictions.json", tmp_path)
    assert again["mean_iou"] == pytest.approx(report["mean_iou"], abs=1e-9)
    for group, scores in report["panoptic_quality"].items():
        same = pytest.approx(scores, abs=1e-9)
        assert again["panoptic_quality"][group] == same
