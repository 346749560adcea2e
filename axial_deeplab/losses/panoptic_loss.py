"""Losses of Axial-DeepLab and Panoptic-DeepLab as Keras objects.

Use in `Model.compile`, with a data set of (images, targets, weights):

    model.compile(optimizer, loss=panoptic_losses())
    model.fit(dataset)

In a loop of one's own, the mean loss of a (replica's) batch is

    sum(
        tf.reduce_mean(loss.per_sample(targets[k], outputs[k], weights[k]))
        for k, loss in panoptic_losses().items()
    )
"""

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.losses import pixel_losses


class PixelLoss(tf_keras.losses.Loss):
    """Base of the losses that weigh every pixel and keep the hardest ones.

    Keras multiplies `sample_weight` into finished losses. Here the weights
    take part in the choice of the hardest pixels and in the normaliser, so
    `__call__` hands them to `call` together with the targets. Reduction over
    the batch, and over the replicas of a `tf.distribute` strategy in
    `Model.fit`, is Keras' own: by default the mean over the batch.

    Args:
      top_k_fraction: share of the pixels of a sample that is kept, the hardest
        by weighted loss; 1.0 keeps all without sorting.
      weight: factor of the loss in the total.
      reduction: a `tf_keras.losses.Reduction`.
      name: name of the loss.

    Raises:
      ValueError: top_k_fraction is not in (0, 1]; on call: shapes disagree.
    """

    # Whether targets are values like the predictions, or classes.
    _targets_have_channels = True

    def __init__(
        self,
        top_k_fraction: float = 1.0,
        weight: float = 1.0,
        reduction: str = tf_keras.losses.Reduction.AUTO,
        name: str | None = None,
    ):
        if not 0 < top_k_fraction <= 1:
            raise ValueError(
                f"`top_k_fraction` must be in (0, 1]; got {top_k_fraction}."
            )
        super().__init__(reduction=reduction, name=name)
        self.top_k_fraction, self.weight = top_k_fraction, weight

    def __call__(
        self,
        y_true: tf.Tensor,
        y_pred: tf.Tensor,
        sample_weight: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """The loss, reduced over the batch.

        Args:
          y_true: targets: [b, h, w] classes or [b, h, w, c] values.
          y_pred: predictions [b, h, w, channels].
          sample_weight: [b, h, w] pixel weights; None weighs all alike.
        """
        return super().__call__((y_true, sample_weight), y_pred)

    def call(self, y_true: tuple, y_pred: tf.Tensor) -> tf.Tensor:
        targets, weights = y_true
        return self.per_sample(targets, y_pred, weights)

    def per_sample(
        self,
        targets: tf.Tensor,
        predictions: tf.Tensor,
        weights: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Weighted loss of each sample, float32 [b]; arguments as above."""
        targets = tf.convert_to_tensor(targets)
        predictions = tf.convert_to_tensor(predictions)
        if weights is None:
            weights = tf.ones(tf.shape(predictions)[:-1])
        weights = tf.convert_to_tensor(weights)
        self._check_shapes(targets, predictions, weights)
        losses = self.pixel_loss(targets, predictions, weights)
        losses = self.mean_of_pixels(losses)
        return self.weight * pixel_losses.drop_nan_samples(losses)

    def mean_of_pixels(self, losses: tf.Tensor) -> tf.Tensor:
        """[b, h, w] -> [b]."""
        return pixel_losses.mean_of_hardest(losses, self.top_k_fraction)

    def pixel_loss(
        self, targets: tf.Tensor, predictions: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        """Weighted loss of each pixel [b, h, w]; to be overridden."""
        raise NotImplementedError

    def _check_shapes(self, targets, predictions, weights):
        pixels = predictions.shape[:3]
        expected = predictions.shape if self._targets_have_channels else pixels
        if (
            predictions.shape.rank != 4
            or not targets.shape.is_compatible_with(expected)
            or not weights.shape.is_compatible_with(pixels)
        ):
            raise ValueError(
                f"{type(self).__name__} got predictions {predictions.shape}, "
                f"targets {targets.shape} and weights {weights.shape}; it "
                "needs predictions [b, h, w, channels], targets "
                f"{expected} and weights {pixels}."
            )

    def get_config(self) -> dict:
        return super().get_config() | {
            "top_k_fraction": self.top_k_fraction,
            "weight": self.weight,
        }


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class SemanticLoss(PixelLoss):
    """Softmax cross entropy of class labels [b, h, w] with logits."""

    _targets_have_channels = False

    def pixel_loss(self, targets, predictions, weights):
        return pixel_losses.cross_entropy(targets, predictions, weights)


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class MeanSemanticLoss(SemanticLoss):
    """The same, averaged over all pixels, those without weight too.

    (The public configurations of arXiv:2209.08575.) All pixels are kept.

    Args:
      weight: factor of the loss in the total.
      reduction: a `tf_keras.losses.Reduction`.
      name: name of the loss.
    """

    def __init__(
        self,
        weight: float = 1.0,
        reduction: str = tf_keras.losses.Reduction.AUTO,
        name: str | None = None,
    ):
        super().__init__(weight=weight, reduction=reduction, name=name)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["top_k_fraction"]
        return config

    def mean_of_pixels(self, losses: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(losses, axis=[1, 2])


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class CenterLoss(PixelLoss):
    """Squared error of the centre heatmap [b, h, w, 1]."""

    def pixel_loss(self, targets, predictions, weights):
        return pixel_losses.squared_error(targets, predictions, weights)


@tf_keras.saving.register_keras_serializable("axial_deeplab")
class OffsetLoss(PixelLoss):
    """Absolute error of the offsets to the centre [b, h, w, 2], in pixels."""

    def pixel_loss(self, targets, predictions, weights):
        return pixel_losses.absolute_error(targets, predictions, weights)


def panoptic_losses(
    top_k_fraction: float = 0.2,
    semantic_weight: float = 1.0,
    center_weight: float = 200.0,
    offset_weight: float = 0.01,
) -> dict[str, tf_keras.losses.Loss]:
    """The three losses by the name of the model output they judge.

    The defaults are those of Panoptic-DeepLab's public code, which
    Axial-DeepLab follows (arXiv:2003.07853, section 4).

    Args:
      top_k_fraction: share of the pixels kept by the semantic loss.
      semantic_weight: factor of the semantic loss.
      center_weight: factor of the centre loss.
      offset_weight: factor of the offset loss.
    """
    return {
        keys.SEMANTIC_LOGITS: SemanticLoss(
            top_k_fraction, semantic_weight, name="semantic_loss"
        ),
        keys.CENTER_HEATMAP: CenterLoss(
            weight=center_weight, name="center_loss"
        ),
        keys.CENTER_OFFSET: OffsetLoss(
            weight=offset_weight, name="offset_loss"
        ),
    }
