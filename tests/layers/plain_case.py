"""One axial attention in our form and in the plain one, to compare."""

import numpy as np
import tensorflow as tf

from axial_deeplab.layers.attention_options import AttentionOptions
from axial_deeplab.layers.axial_attention import AxialAttention
from tests.layers.layer_case import randomize
from tests.reference.plain_attention import PlainAxialAttention

CHANNELS = 6
SIZES = {"filters": 8, "key_filters": 4, "heads": 2, "axis": "width"}
# Bound of the error, relative to the largest value.
LIMITS = {"output": 1e-5, "gradient": 1e-4, "statistic": 1e-5}


def inputs(*shape: int, seed: int = 3) -> tf.Tensor:
    """Seeded noise [B, H, W, CHANNELS]."""
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(size=(*shape, CHANNELS)), tf.float32)


def build_ours(
    logits_bytes: int, terms: dict[str, bool] | None = None, **arguments
) -> AxialAttention:
    """A layer with random weights, the same for the same arguments."""
    options = AttentionOptions(**(terms or {}), logits_bytes=logits_bytes)
    return _build(AxialAttention, arguments | {"options": options})


def build_plain(**arguments) -> PlainAxialAttention:
    """The plain form with the weights of `build_ours`, all terms in use."""
    return _build(PlainAxialAttention, arguments)


def _build(kind, arguments):
    layer = kind(**(SIZES | arguments))
    layer(tf.zeros([1, 1, 1, CHANNELS]))
    randomize(layer)
    return layer


def short_name(weight: tf.Variable) -> str:
    """ "attention/output_norm/gamma:0" -> "output_norm/gamma"."""
    parts = weight.name.removesuffix(":0").split("/")
    return "/".join(parts[-2 if parts[-2].endswith("_norm") else -1 :])


def results(layer: AxialAttention, x: tf.Tensor, wrap=lambda f: f) -> dict:
    """Outputs, gradients and then moving statistics, by kind and name.

    `wrap` makes what is called of a function of a map and a probe.
    """

    def infer(x, _):
        return layer(x, training=False)

    def train(x, probe):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y * probe)
        return y, tape.gradient(loss, [x, *layer.trainable_weights])

    rng = np.random.default_rng(5)
    probe = rng.normal(size=(*x.shape[:3], layer.filters))
    probe = tf.constant(probe, tf.float32)
    found = {"output/infer": wrap(infer)(x, probe)}
    found["output/train"], gradients = wrap(train)(x, probe)
    names = ["input", *map(short_name, layer.trainable_weights)]
    for name, gradient in zip(names, gradients, strict=True):
        if name != "similarity_norm/beta":  # zero but for rounding
            # The plain form gathers: its tables have sparse gradients.
            found[f"gradient/{name}"] = tf.convert_to_tensor(gradient)
    for weight in layer.non_trainable_weights:
        found[f"statistic/{short_name(weight)}"] = weight.numpy()
    return found


def assert_same(actual: dict, expected: dict, some_zero: bool = False) -> None:
    """Each within its limit, relative to its largest value.

    Where gradients are zero in theory (`some_zero`), rounding is all they
    are: they are measured against the largest gradient of all.
    """
    assert set(actual) == set(expected)
    scales = {name: np.max(np.abs(x)) for name, x in expected.items()}
    gradients = [name for name in scales if name.startswith("gradient/")]
    if some_zero:
        largest = max(scales[name] for name in gradients)
        scales |= dict.fromkeys(gradients, largest)
    wrong = []
    for name, one in expected.items():
        one, other = np.asarray(one), np.asarray(actual[name])
        assert one.shape == other.shape, name
        error = np.max(np.abs(one - other)) / scales[name]
        if not error <= LIMITS[name.split("/")[0]]:
            wrong.append(f"{name}: {error:.2g} of {scales[name]:.3g}")
    assert not wrong, wrong


def some_zero(length: int, span: int | None, max_distance: int) -> bool:
    """Whether gradients of logits or of tables are zero in theory.

    One key has the weight one whatever its logit is; an embedding that all
    pairs share is the same for all keys, and a norm removes it from values.
    """
    return 1 in (length, span, max_distance)
