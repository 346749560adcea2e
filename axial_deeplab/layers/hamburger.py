"""The light Hamburger: global context by matrix factorisation.

A map [N pixels, D channels] is written as coefficients [N, R] times bases
[R, D], all non-negative, by multiplicative updates (arXiv:2109.04553, with the
constants of arXiv:2209.08575's public code). Axes: b batch, n pixels, d depth,
r rank.
"""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.layers.configurable import Configurable, Options, register
from axial_deeplab.layers.depthwise import he_fan_out
from axial_deeplab.layers.group_norm import ConvGroupNormAct

_DRAWS = ("training", "always", "never")
_EPSILON = 1e-6  # in denominators


@register
@dataclasses.dataclass(frozen=True)
class FactorizationOptions(Options):
    """How a map is factorised.

    Attributes:
      rank: number of bases.
      train_steps: rounds of updates in training.
      eval_steps: rounds in inference.
      draw: when each sample gets new random bases: in "training" alone, so
        that inference is repeatable and a saved model gives the same bits;
        "always", as in the public code, whose scores vary with the seed; or
        "never". Otherwise the bases of the layer are used, random numbers that
        were drawn when it was built and that are saved with its weights.
      one_step: let gradients through the last update only
        (arXiv:2109.04553, section 3.3), instead of through all.
    """

    rank: int = 64
    train_steps: int = 6
    eval_steps: int = 7
    draw: str = "training"
    one_step: bool = False

    def __post_init__(self):
        if self.draw not in _DRAWS:
            raise ValueError(
                f"`draw` must be one of {', '.join(_DRAWS)}; got {self.draw!r}."
            )


def factorize(
    x: tf.Tensor, bases: tf.Tensor, steps: int, one_step: bool = False
) -> tf.Tensor:
    """Non-negative approximation of rank R of non-negative maps.

    Args:
      x: [b, n, d], float32.
      bases: [b, d, r] or [1, d, r], where the updates start.
      steps: updates of coefficients and bases; one more of the coefficients
        follows.
      one_step: take coefficients and bases before that last update for
        constants.

    Returns:
      [b, n, d].
    """
    bases = tf.repeat(bases, tf.shape(x)[0] // tf.shape(bases)[0], axis=0)
    coefficients = tf.nn.softmax(tf.matmul(x, bases))
    for _ in range(steps):
        coefficients = update_coefficients(x, coefficients, bases)
        bases = update_bases(x, coefficients, bases)
    if one_step:
        coefficients = tf.stop_gradient(coefficients)
        bases = tf.stop_gradient(bases)
    coefficients = update_coefficients(x, coefficients, bases)
    return tf.matmul(coefficients, bases, transpose_b=True)


def update_coefficients(
    x: tf.Tensor, coefficients: tf.Tensor, bases: tf.Tensor
) -> tf.Tensor:
    """[b, n, d], [b, n, r], [b, d, r] -> [b, n, r]."""
    wanted = tf.matmul(x, bases)
    gram = tf.matmul(bases, bases, transpose_a=True)
    return coefficients * wanted / (tf.matmul(coefficients, gram) + _EPSILON)


def update_bases(
    x: tf.Tensor, coefficients: tf.Tensor, bases: tf.Tensor
) -> tf.Tensor:
    """[b, n, d], [b, n, r], [b, d, r] -> [b, d, r]."""
    wanted = tf.matmul(x, coefficients, transpose_a=True)
    gram = tf.matmul(coefficients, coefficients, transpose_a=True)
    return bases * wanted / (tf.matmul(bases, gram) + _EPSILON)


def random_bases(batch: tf.Tensor, depth: int, rank: int) -> tf.Tensor:
    """[batch, depth, rank], uniform in 0..1, then of length 1 over depth."""
    return _unit_length(tf.random.uniform([batch, depth, rank]))


def _unit_length(bases: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(bases, axis=-2, epsilon=1e-24)


@register
class Hamburger(Configurable, tf_keras.layers.Layer):
    """relu(x + norm(W2 F(relu(W1 x + b)))) with the factorisation F.

    Input and output [B, H, W, C], any H and W; all pixels see all. The
    factorisation runs in float32.

    Args:
      options: of the factorisation.
      groups: of the group norm.
    """

    def __init__(
        self,
        options: FactorizationOptions | None = None,
        groups: int = 32,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.options = options or FactorizationOptions()
        self.groups = groups

    def build(self, input_shape) -> None:
        channels = input_shape[-1]
        self.before = tf_keras.layers.Conv2D(
            channels, 1, kernel_initializer=he_fan_out(), name="before"
        )
        self.after = ConvGroupNormAct(
            channels, self.groups, activation=False, name="after"
        )
        self.bases = self.add_weight(
            "bases",
            (channels, self.options.rank),
            dtype=tf.float32,
            initializer=tf_keras.initializers.RandomUniform(0.0, 1.0),
            trainable=False,
            experimental_autocast=False,
        )
        self.built = True

    def call(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C] -> [B, H, W, C]."""
        y = self.factorize(tf.nn.relu(self.before(x)), training)
        return tf.nn.relu(x + self.after(y, training=training))

    def factorize(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
        """[B, H, W, C], not negative -> [B, H, W, C] of rank R."""
        options, channels = self.options, x.shape[-1]
        batch = tf.shape(x)[0]
        pixels = tf.reshape(tf.cast(x, tf.float32), [batch, -1, channels])
        if options.draw == "always" or training and options.draw == "training":
            bases = random_bases(batch, channels, options.rank)
        else:
            bases = _unit_length(self.bases)[tf.newaxis]
        steps = options.train_steps if training else options.eval_steps
        y = factorize(pixels, bases, steps, options.one_step)
        return tf.reshape(tf.cast(y, x.dtype), tf.shape(x))
