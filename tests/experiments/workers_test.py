import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from axial_deeplab import evaluation, keys
from axial_deeplab.data import tfrecord_schema
from axial_deeplab.data.dataset_specs import dataset_spec
from tests.experiments import case, poison
from tests.experiments.trainer_case import names

PROJECT = pathlib.Path(__file__).resolve().parents[2]
IMAGES = 9  # one more than fills the batches of two workers


@pytest.fixture
def scenes(tmp_path):
    (tmp_path / "scenes").mkdir()
    return case.write_scenes(tmp_path / "scenes", val_scenes=IMAGES)


def cycles(folder, cycle, times, seed, patience_seconds):
    """What `two_workers.py` finds."""
    command = [sys.executable, "-m", "tests.experiments.two_workers"]
    process = subprocess.Popen(
        [*command, folder, cycle, f"{times}", f"{seed}"],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=patience_seconds)
        logs = [path.read_text()[-2000:] for path in folder.rglob("log-*")]
        assert process.returncode == 0, "\n".join([errors, *logs])
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # as it should be
    return json.loads((folder / "found.json").read_text())


def true_segments(folder):
    """How many segments each class has in the validation images."""
    spec, counts = dataset_spec("shapes"), {}
    for path in (folder / "scenes").glob("val-*"):
        for record in tf.data.TFRecordDataset(str(path)):
            panoptic = tfrecord_schema.decode_example(record)[keys.PANOPTIC]
            _, segments = evaluation.panoptic_segments(panoptic.numpy(), spec)
            for segment in segments:
                key = segment["category_id"]
                counts[key] = counts.get(key, 0) + (not segment["iscrowd"])
    return counts


def check_stage(stage, step, ends):
    """It began at that step with equal weights, and ended so."""
    assert stage["steps"] == [step, step]
    assert len(set(stage["weights"])) == 1
    assert stage["ends"] == ends


def check_completed(stage, step, truths):
    check_stage(stage, step, [0, 0])
    first, second = stage["ended"]
    assert first == second
    counted = {
        one["id"]: one["tp"] + one["fn"] for one in first["report"]["classes"]
    }
    assert {k: n for k, n in counted.items() if n} == truths


def check_files(folder, steps):
    """The chief's alone, whole, of the last step."""
    run = folder / "run"
    found = names(run)
    assert f"ckpt-{steps}.index" in found and "params.yaml" in found
    assert not [name for name in found if "temp" in name]
    assert "info.json" in names(run / "best")
    assert tf.train.latest_checkpoint(run / "best")
    average = tf.train.latest_checkpoint(run / "ema_checkpoints")
    assert average.endswith(f"average_weights-{steps}")
    raw = tf.train.load_checkpoint(f"{run}/ckpt-{steps}")
    name = "model/heads/semantic_logits/kernel/.ATTRIBUTES/VARIABLE_VALUE"
    averaged = tf.train.load_checkpoint(average).get_tensor(name)
    assert np.any(raw.get_tensor(name) != averaged)
    log = (folder / "log-1.txt").read_text()
    assert "step" not in log.replace("steps", "")


def check_killed(stage, step):
    """Whom nobody killed has ended by itself, with a line that says why."""
    assert stage["steps"] == [step, step] and len(set(stage["weights"])) == 1
    assert sorted(stage["ends"]) in ([-9, 1], [-9, -6])
    assert stage["saved"] > step


@pytest.mark.usefixtures("scenes")
def test_two_workers_go_on_when_one_was_killed(tmp_path):
    (found,) = cycles(tmp_path, "short", 1, seed=3, patience_seconds=300)
    folder = tmp_path / "cycle-0"
    killed, done = found["one killed"], found["completed"]
    check_killed(killed, 0)
    check_completed(done, killed["saved"], true_segments(tmp_path))
    check_files(folder, done["train_steps"])
    # Another process watched, on one device.
    watched = found["watcher"]
    assert watched["ends"] == [0] and watched["ended"]["report"]
    log = (folder / "log-watcher.txt").read_text()
    for step in (killed["saved"], done["train_steps"]):
        assert f"step {step}: evaluating" in log
    logs = [(folder / f"log-{place}.txt").read_text() for place in "01"]
    assert sum("Another worker has ended" in log for log in logs) == 1


def test_a_loss_of_one_worker_takes_both_back(tmp_path):
    (tmp_path / "scenes").mkdir()
    # Of six records the last is the third of the second worker.
    poison.write_scenes(tmp_path / "scenes", 6)
    (found,) = cycles(tmp_path, "poisoned", 1, seed=0, patience_seconds=300)
    folder = tmp_path / "cycle-0"
    assert found["ends"] == [1, 1]
    first, second = found["restored"]
    assert first == second
    assert [checkpoint for checkpoint, _ in first] == ["ckpt-2"]
    logs = [(folder / f"log-{place}.txt").read_text() for place in "01"]
    line = (
        "the loss left its bounds, first at step 3, on the images poison: "
        f"back to {folder}/run/ckpt-2 (time 1 of 1)\n"
    )
    assert logs[0].count(line) == 1 and line not in logs[1]
    # The third image after the two of the step that was taken back.
    for log in logs:
        (end,) = (one for one in log.splitlines() if "Training stopped" in one)
        assert "first at step 5, on the images poison." in end
        assert "2 times" in end
    assert tf.train.latest_checkpoint(folder / "run").endswith("ckpt-4")


@pytest.mark.large
@pytest.mark.usefixtures("scenes")
def test_two_workers_survive_all_ends_ten_times(tmp_path):
    truths = None
    for found in cycles(tmp_path, "whole", 10, 11, patience_seconds=7200):
        truths = truths or true_segments(tmp_path)
        check_killed(found["one killed"], 0)
        step = found["one killed"]["saved"]
        check_completed(found["completed"], step, truths)
        step = found["completed"]["train_steps"]
        ended = int(signal.SIGTERM) + 128
        check_stage(found["terminated"], step, [ended, ended])
        step = found["terminated"]["saved"]
        check_stage(found["both killed"], step, [-9, -9])
        step = found["both killed"]["saved"]
        check_completed(found["completed again"], step, truths)
        step = found["completed again"]["train_steps"]
        check_completed(found["evaluated"], step, truths)
        (alone,) = found["alone"]["ended"]
        assert alone == found["evaluated"]["ended"][0]
