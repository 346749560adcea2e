"""Trains on several devices with `model.fit`; run by `fit_devices_test.py`.

Two of these processes are the workers of one training, which is interrupted
and resumed. Each then trains alone without interruption, the first on two
devices and the second on one. Writes what it found to a file of the folder.

Arguments: the folder, the number of this worker, the ports of both.
"""

import json
import os
import pathlib
import sys

import numpy as np
import tensorflow as tf

from axial_deeplab.costs.collectives import all_reduced_bytes
from tests.integration import fit_case


def train(
    strategy: tf.distribute.Strategy, folder: pathlib.Path, interrupt: bool
) -> dict:
    """History, weights, and whether the training had been interrupted."""
    interrupted = False
    if interrupt:
        with strategy.scope():
            model = fit_case.compiled_model()
        try:
            fit_case.fit(folder, fit_case.Interruption(), trained=model)
        except InterruptedError:
            interrupted = True
    with strategy.scope():
        model = fit_case.compiled_model()
    model, history = fit_case.fit(folder, trained=model)
    return {
        "history": history,
        "interrupted": interrupted,
        "steps": int(model.optimizer.iterations.numpy()),
        "weights": np.concatenate(
            [weight.ravel() for weight in model.get_weights()]
        ).tolist(),
        "best": (folder / "best.keras").is_file(),
    }


def reduced_bytes(strategy: tf.distribute.Strategy) -> int:
    """What a traced step of this worker all-reduces."""
    with strategy.scope():
        model = fit_case.compiled_model()
    data = strategy.experimental_distribute_dataset(fit_case.training_data())

    @tf.function
    def step(batch):
        return strategy.run(model.train_step, (batch,))

    graph = step.get_concrete_function(next(iter(data))).graph
    return all_reduced_bytes(graph, replicas=1)


def main(folder: str, worker: str, *ports: str) -> None:
    workers = [f"127.0.0.1:{port}" for port in ports]
    os.environ["TF_CONFIG"] = json.dumps(
        {
            "cluster": {"worker": workers},
            "task": {"type": "worker", "index": int(worker)},
        }
    )
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    folder = pathlib.Path(folder)
    together = tf.distribute.MultiWorkerMirroredStrategy()
    devices = [
        device.name
        for device in tf.config.list_logical_devices("CPU")
        if f"task:{worker}" in device.name
    ]
    # Collectives of a second strategy would meet those of the first.
    alone = tf.distribute.MirroredStrategy(
        devices[: 2 - int(worker)], tf.distribute.ReductionToOneDevice()
    )
    found = {
        "together": train(together, folder / "together", True),
        "alone": train(alone, folder / f"alone_{worker}", False),
        "reduced_bytes": reduced_bytes(together),
        "devices": alone.num_replicas_in_sync,
    }
    (folder / f"found_{worker}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
