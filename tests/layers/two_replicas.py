"""One training call on one device and on two; run by `replicas_test.py`.

A process of its own, because logical devices must be made before TensorFlow
looks at them. Writes the results to the npz file given as first argument,
keys "layer/devices/what".
"""

import sys

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab.layers.axial_attention import AxialAttention
from axial_deeplab.layers.convolution import SeparableConvNormAct
from axial_deeplab.layers.local_attention import LocalAttention2D
from axial_deeplab.layers.normalization import BatchNorm
from tests.layers.layer_case import randomize

LAYERS = {
    "batch_norm": BatchNorm,
    "separable_convolution": lambda: SeparableConvNormAct(4, 3),
    "attention": lambda: AxialAttention(8, 4, "width", heads=2),
    "attention_span": lambda: AxialAttention(8, 4, "height", heads=2, span=3),
    "attention_window": lambda: LocalAttention2D(8, heads=2, window=3),
}


def train(name: str, strategy: tf.distribute.Strategy) -> dict:
    """Outputs, gradients and moving statistics of one training call."""
    rng = np.random.default_rng(3)
    x = rng.normal(1.0, 2.0, (4, 5, 6, 6)).astype(np.float32)
    with strategy.scope():
        layer = LAYERS[name]()
        layer(x)
        randomize(layer)
    probe = rng.normal(size=layer(x).shape).astype(np.float32)
    parts = strategy.num_replicas_in_sync

    def shares(values):
        size = len(values) // parts
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(
                values[context.replica_id_in_sync_group * size :][:size]
            )
        )

    @tf.function
    def step(x, probe):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * probe)
        return y, tape.gradient(loss, [x, *layer.trainable_weights])

    output, gradients = strategy.run(step, [shares(x), shares(probe)])
    by_weight = {
        f"gradient/{weight.name}": strategy.reduce("SUM", gradient, axis=None)
        for weight, gradient in zip(
            layer.trainable_weights, gradients[1:], strict=True
        )
    }
    statistics = {
        f"statistic/{weight.name}": weight.numpy()
        for weight in layer.non_trainable_weights
    }
    whole = {
        key: np.concatenate(strategy.experimental_local_results(value))
        for key, value in (("output", output), ("gradient/x", gradients[0]))
    }
    return whole | by_weight | statistics


def main(path: str):
    """Writes what each layer gives on one device and on two."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategies = {
        "one": tf.distribute.OneDeviceStrategy("CPU:0"),
        "two": tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]),
    }
    results = {}
    for name in LAYERS:
        for devices, strategy in strategies.items():
            tf_keras.backend.clear_session()  # equal weight names
            for key, value in train(name, strategy).items():
                results[f"{name}/{devices}/{key}"] = np.asarray(value)
    np.savez(path, **results)


if __name__ == "__main__":
    main(sys.argv[1])
