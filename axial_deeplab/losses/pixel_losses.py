"""Pixel losses of bottom-up panoptic segmentation, as pure functions.

Axes: b batch, h w space, k classes, c channels. All results are float32,
whatever the type of the predictions. A target is never looked at where the
weight is 0: there it may be any number, also an ignore label or NaN.
"""

import tensorflow as tf


def cross_entropy(
    labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Weighted softmax cross entropy, [b, h, w].

    Args:
      labels: integer classes [b, h, w].
      logits: [b, h, w, k].
      weights: [b, h, w].
    """
    weights = tf.cast(weights, tf.float32)
    labels = tf.where(weights == 0, 0, tf.cast(labels, tf.int32))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels, tf.cast(logits, tf.float32)
    )
    return losses * weights


def squared_error(
    targets: tf.Tensor, predictions: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Weighted squared error, averaged over the channels: [b, h, w].

    Args:
      targets: [b, h, w, c].
      predictions: [b, h, w, c].
      weights: [b, h, w].
    """
    error = _error(targets, predictions, weights)
    return tf.reduce_mean(error**2, -1) * tf.cast(weights, tf.float32)


def absolute_error(
    targets: tf.Tensor, predictions: tf.Tensor, weights: tf.Tensor
) -> tf.Tensor:
    """Weighted absolute error, averaged over the channels: [b, h, w].

    Arguments as in `squared_error`.
    """
    error = _error(targets, predictions, weights)
    return tf.reduce_mean(tf.abs(error), -1) * tf.cast(weights, tf.float32)


def mean_of_hardest(losses: tf.Tensor, fraction: float) -> tf.Tensor:
    """Averages the largest pixel losses of each sample, [b].

    Keeps the k = round(fraction * h * w) largest (at least 1; a half is
    rounded to the even number) and divides their sum by the number of those
    that are not exactly 0, so pixels without weight and pixels predicted
    exactly right do not dilute the mean. (So does the public code of
    Panoptic-DeepLab; its paper leaves the normaliser open.) A sample without
    loss gets 0.

    Args:
      losses: weighted pixel losses [b, h, w].
      fraction: above 0, at most 1; 1 keeps all pixels without sorting.
    """
    height, width = losses.shape[1:]
    if height is None or width is None:
        height, width = tf.unstack(tf.shape(losses)[1:])
    losses = tf.reshape(losses, [-1, height * width])
    if fraction < 1.0:
        kept = _rounded(fraction, height * width)
        losses = tf.math.top_k(losses, kept, sorted=False).values
    count = tf.reduce_sum(tf.cast(losses != 0, tf.float32), axis=1)
    return tf.math.divide_no_nan(tf.reduce_sum(losses, axis=1), count)


def drop_nan_samples(losses: tf.Tensor) -> tf.Tensor:
    """Sets the NaN among the sample losses [b] to 0, unless all are NaN.

    One broken sample then does not hide the loss of the others. (The public
    code of Panoptic-DeepLab drops all of them. But a model that has diverged
    must show it: a trainer would run on for days at a loss of 0.)
    """
    is_nan = tf.math.is_nan(losses)
    dropped = is_nan & ~tf.reduce_all(is_nan)
    return tf.where(dropped, 0.0, losses)


def _error(targets, predictions, weights) -> tf.Tensor:
    targets = tf.cast(targets, tf.float32)
    targets = tf.where(weights[..., tf.newaxis] == 0, 0.0, targets)
    return tf.cast(predictions, tf.float32) - targets


def _rounded(fraction: float, pixels: int | tf.Tensor) -> int | tf.Tensor:
    """round(fraction * pixels), at least 1; static where `pixels` is."""
    if isinstance(pixels, int):
        return max(1, round(fraction * pixels))
    # float64, to round as Python does; only met where shapes are dynamic.
    exact = fraction * tf.cast(pixels, tf.float64)
    return tf.maximum(1, tf.cast(tf.round(exact), tf.int32))
