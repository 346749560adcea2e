"""Trains the toy on one device and on two; run by `replicas_test.py`.

A process of its own, because logical devices must be made before TensorFlow
looks at them. Writes what it found to the path given as first argument.
"""

import json
import sys

import tensorflow as tf
import tf_keras

from axial_deeplab.losses import panoptic_losses
from axial_deeplab.optimization import Lookahead, RectifiedAdam, WarmUpPoly
from tests.losses import toy_training

EPOCHS = 9  # of one step; synchronised every 2, rectified from 6 on


def optimizer(mixed: bool) -> tf_keras.optimizers.Optimizer:
    """RAdam with Lookahead, for float16 with loss scaling around it."""
    result = Lookahead(
        RectifiedAdam(
            WarmUpPoly(0.02, 40, 2), weight_decay=1.0, global_clipnorm=5.0
        ),
        sync_period=2,
    )
    if mixed:
        result = tf_keras.mixed_precision.LossScaleOptimizer(
            result, dynamic=False, initial_scale=8.0
        )
    return result


def train(strategy: tf.distribute.Strategy, mixed: bool) -> dict:
    """Losses of the steps, and the weights as each device holds them."""
    with strategy.scope():
        model = toy_training.model()
        model.compile(optimizer(mixed), loss=panoptic_losses())
        # Variables that a step creates would let it be traced twice.
        model.optimizer.build(model.trainable_variables)
        model.compiled_loss.build(model.output)
    history = model.fit(toy_training.dataset(), epochs=EPOCHS, verbose=0)
    copies = [
        [
            device.numpy().tolist()
            for device in strategy.experimental_local_results(variable)
        ]
        for variable in model.trainable_variables
    ]
    return {"losses": history.history["loss"], "weights": copies}


def main(path: str):
    """Writes the results of the four trainings."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    results = {}
    for mixed in (False, True):
        one = tf.distribute.OneDeviceStrategy("CPU:0")
        two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        results[str(mixed)] = {
            "one": train(one, mixed),
            "two": train(two, mixed),
        }
    with open(path, "w") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(sys.argv[1])
