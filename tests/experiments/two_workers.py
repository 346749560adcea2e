"""Trains with two workers on this machine; run by `workers_test.py`.

A process of its own, which imports everything once and has used nothing of it
when it makes the workers. Their lines go to files in the folder given as first
argument, what was found as JSON to `found.json` there. The other arguments are
the cycle to go through, one of `CYCLES`, how often, and a seed.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import tf_keras

from axial_deeplab.experiments import image_task, trainer
from axial_deeplab.layers.normalization import BatchNorm
from tests.experiments import case, poison
from tests.experiments.processes import (
    PATIENCE_SECONDS,
    free_addresses,
    left_behind_none,
    started,
    status,
)

INTERVAL = 4  # steps between checkpoints, and between evaluations
OPTIONS = (
    "task.train_data.global_batch_size=4",
    "trainer.accumulation_steps=2",
    "task.validation_data.global_batch_size=2",
    "task.multi_scale.scales=[0.5,1.0]",
    f"trainer.checkpoint_interval={INTERVAL}",
    f"trainer.validation_interval={INTERVAL}",
    "trainer.steps_per_loop=2",
    "trainer.summary_interval=2",
    "trainer.optimizer_config.ema.average_decay=0.9",
    "trainer.best_checkpoint_export_subdir=best",
    "trainer.best_checkpoint_eval_metric=validation_loss",
    "trainer.best_checkpoint_metric_comp=lower",
)


def synchronised_toy(
    num_classes: int, name: str = "toy", **_: Any
) -> case.ToyModel:
    """The toy, or the fragile one, with the norm of the real models."""
    kind = poison.FragileModel if name == "fragile" else case.ToyModel
    model = kind(num_classes)
    model.stem = tf_keras.Sequential([model.stem.layers[0], BatchNorm()])
    model.build((None, None, None, 3))
    return model


class Runner(trainer.ExperimentRunner):
    """Leaves as JSON what it begins with, and goes back to, beside its model.

    Each time it goes back: to which checkpoint, and the weights after that.
    """

    def __init__(self, strategy, task, *args):
        super().__init__(strategy, task, *args)
        path = os.environ["BEGUN"]
        begun = {
            "step": int(self.trainer.global_step.numpy()),
            "weights": fingerprint(self.trainer.model.get_weights()),
        }
        restored = []
        restore = self.checkpoint_manager.restore_or_initialize

        def recorded():
            prefix = restore()
            weights = fingerprint(self.trainer.model.get_weights())
            restored.append([pathlib.Path(prefix).name, weights])
            rewritten = json.dumps(begun | {"restored": restored})
            pathlib.Path(path).write_text(rewritten)
            return prefix

        self.checkpoint_manager.restore_or_initialize = recorded
        pathlib.Path(path).write_text(json.dumps(begun | {"restored": []}))


def fingerprint(weights: list[np.ndarray]) -> str:
    """The same for the same bits."""
    content = b"".join(weight.tobytes() for weight in weights)
    return hashlib.sha256(content).hexdigest()


def train(folder: pathlib.Path, name: str, *options: str) -> None:
    """What a worker does; leaves its last weights as JSON."""
    tempfile.tempdir = str(folder)  # nothing is left elsewhere
    image_task.create_model = synchronised_toy
    trainer.ExperimentRunner = Runner
    os.environ["BEGUN"] = str(folder / f"begun-{name}.json")
    config = case.config(folder.parent / "scenes", *OPTIONS, *options)
    mode = {"alone": "eval", "watcher": "continuous_eval"}.get(
        name, "train_and_eval"
    )
    model, report = trainer.run_experiment(config, mode, str(folder / "run"))
    ended = {
        "weights": fingerprint(model.get_weights()),
        "report": json.loads(json.dumps(report)),
    }
    (folder / f"ended-{name}.json").write_text(json.dumps(ended))


@contextlib.contextmanager
def workers(folder: pathlib.Path, *options: str) -> Iterator[list[int]]:
    """Two of them; none is left behind."""
    hosts = free_addresses(2)
    runtime = (
        "runtime.distribution_strategy=multi_worker_mirrored",
        f"runtime.worker_hosts='{','.join(hosts)}'",
    )
    alive = []
    with left_behind_none(alive):
        for index in range(2):
            place = f"runtime.task_index={index}"
            more = (*runtime, place, *options)
            alive.append(
                started(
                    lambda more=more, index=index: train(folder, index, *more),
                    folder / f"log-{index}.txt",
                )
            )
        yield alive


def saved_step(folder: pathlib.Path) -> int:
    """Step of the last checkpoint, 0 without one."""
    steps = (path.stem for path in (folder / "run").glob("ckpt-*.index"))
    return max((int(step.split("-")[1]) for step in steps), default=0)


def wait_for_step(folder: pathlib.Path, step: int, pair: list[int]) -> None:
    """Returns when the workers have saved that step or a later one."""
    end, left = time.monotonic() + PATIENCE_SECONDS, os.WEXITED | os.WNOHANG
    while saved_step(folder) < step:
        gone = [os.waitid(os.P_PID, one, left | os.WNOWAIT) for one in pair]
        if any(gone) or time.monotonic() > end:
            raise TimeoutError(f"There is no checkpoint of step {step}.")
        time.sleep(0.02)


def interrupted(
    folder: pathlib.Path, signals: dict[int, int], chance: random.Random
) -> dict[str, Any]:
    """Trains until workers get signals, by place; tells how all ended."""
    before = saved_step(folder)
    with workers(folder, "trainer.train_steps=100000") as pair:
        wait_for_step(folder, before + 2 * INTERVAL, pair)
        time.sleep(chance.uniform(0, 0.5))
        for place, number in signals.items():
            os.kill(pair[place], number)
        ends = [status(process) for process in pair]
    return {"ends": ends, "saved": saved_step(folder)} | begun(folder)


def begun(folder: pathlib.Path) -> dict[str, Any]:
    found = [json.loads((folder / f"begun-{i}.json").read_text()) for i in "01"]
    return {
        "steps": [one["step"] for one in found],
        "weights": [one["weights"] for one in found],
        "restored": [one["restored"] for one in found],
    }


def completed(folder: pathlib.Path, more_steps: int) -> dict[str, Any]:
    """Trains to the end, which includes an evaluation."""
    steps = f"trainer.train_steps={saved_step(folder) + more_steps}"
    with workers(folder, steps) as pair:
        ends = [status(process) for process in pair]
    found = [ended(folder, place) for place in "01"]
    return {
        "ends": ends,
        "train_steps": saved_step(folder),
        "ended": found,
    } | begun(folder)


def alone(folder: pathlib.Path) -> dict[str, Any]:
    """Evaluates on one device."""
    log = folder / "log-alone.txt"
    end = status(started(lambda: train(folder, "alone"), log))
    return {"ends": [end], "ended": [ended(folder, "alone")]}


def ended(folder: pathlib.Path, name: str) -> dict[str, Any] | None:
    path = folder / f"ended-{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def short_cycle(folder: pathlib.Path, chance: random.Random) -> dict[str, Any]:
    """A worker is killed; both go on to the end."""
    killed = {chance.randrange(2): signal.SIGKILL}
    found = {"one killed": interrupted(folder, killed, chance)}
    with watcher(folder, saved_step(folder) + INTERVAL) as process:
        found["completed"] = completed(folder, INTERVAL)
        found["watcher"] = {"ends": [status(process)]}
    found["watcher"]["ended"] = ended(folder, "watcher")
    return found


@contextlib.contextmanager
def watcher(folder: pathlib.Path, last_step: int) -> Iterator[int]:
    """A process that evaluates every checkpoint it sees up to the last."""
    options = (
        f"trainer.train_steps={last_step}",
        "trainer.continuous_eval_timeout=2",
    )
    process = started(
        lambda: train(folder, "watcher", *options), folder / "log-watcher.txt"
    )
    with left_behind_none([process]):
        yield process


def whole_cycle(folder: pathlib.Path, chance: random.Random) -> dict[str, Any]:
    """Workers end in all ways; then their evaluation is that of one device."""
    both = {0: signal.SIGKILL, 1: signal.SIGKILL}
    told = {chance.randrange(2): signal.SIGTERM}
    found = short_cycle(folder, chance)
    found["terminated"] = interrupted(folder, told, chance)
    found["both killed"] = interrupted(folder, both, chance)
    found["completed again"] = completed(folder, INTERVAL)
    # There is nothing left to train: this only evaluates what is saved.
    found["evaluated"] = completed(folder, 0)
    found["alone"] = alone(folder)
    return found


def poisoned_cycle(
    folder: pathlib.Path, chance: random.Random
) -> dict[str, Any]:
    """Trains until a record has spoiled the loss twice."""
    options = (
        "task.model.name=fragile",
        "task.train_data.global_batch_size=2",
        "task.train_data.shuffle_buffer_size=1",
        "trainer.accumulation_steps=1",
        "trainer.recovery_max_trials=1",
        "trainer.train_steps=100",
        "trainer.steps_per_loop=1",
        "trainer.summary_interval=1",
        "trainer.checkpoint_interval=1",
        "trainer.validation_interval=100",
    )
    with workers(folder, *options) as pair:
        ends = [status(process) for process in pair]
    return {"ends": ends} | begun(folder)


CYCLES = {
    "short": short_cycle,
    "whole": whole_cycle,
    "poisoned": poisoned_cycle,
}


def main(folder: str, cycle: str, times: str, seed: str) -> None:
    folder, chance, found = pathlib.Path(folder), random.Random(int(seed)), []
    for number in range(int(times)):
        place = folder / f"cycle-{number}"
        place.mkdir()
        found.append(CYCLES[cycle](place, chance))
        (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
