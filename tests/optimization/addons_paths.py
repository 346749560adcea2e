"""Runs tensorflow-addons' optimizers; a process of `tfa_parity_test.py`.

Its last release runs only on Keras 2 and looks for that under the name which
Keras 3 has taken: hence the alias here, `TF_USE_LEGACY_KERAS` in the
environment, and a process of its own, so that nothing else meets either.

Arguments: an npz with `weights` and `gradients`, a JSON list of cases, and the
npz to write (one path for each case, by its index).
"""

import json
import sys

import numpy as np
import tensorflow as tf
import tf_keras.src.engine

sys.modules["keras.src.engine"] = tf_keras.src.engine

from tensorflow_addons import optimizers  # noqa: E402


def path_of(case: dict, weights: np.ndarray, gradients: np.ndarray):
    """Weights [steps, ...] after each step."""
    optimizer = optimizers.RectifiedAdam(**case["rectified_adam"])
    if case["lookahead"]:
        optimizer = optimizers.Lookahead(optimizer, **case["lookahead"])
    variable = tf.Variable(weights)
    path = []
    for gradient in gradients:
        optimizer.apply_gradients([(tf.constant(gradient), variable)])
        path.append(variable.numpy())
    return np.array(path)


def main(inputs: str, cases: str, outputs: str):
    """Writes the paths of all cases."""
    arrays = np.load(inputs)
    with open(cases) as file:
        paths = {
            str(index): path_of(case, arrays["weights"], arrays["gradients"])
            for index, case in enumerate(json.load(file))
        }
    np.savez(outputs, **paths)


if __name__ == "__main__":
    main(*sys.argv[1:])
