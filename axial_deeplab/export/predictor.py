"""The functions that an export consists of, whatever the model predicts."""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.export.image_bytes import decode_upright
from axial_deeplab.export.image_checks import (
    checked_contents,
    checked_floats,
    checked_images,
)
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.export.stored_weights import halve_model, halved_weights
from axial_deeplab.layers.folded_weights import fold_model, folded_weights

Maps = dict[str, tf.Tensor]


class Predictor(tf.Module):
    """Images in, maps out, at any size; what `export_saved_model` saves.

    `predict(images)` takes uint8 [B, H, W, 3] and returns maps [B, H, W, ...]
    and lists [B, N] by name, which a subclass describes.

    `predict_encoded(image_bytes)` takes JPEG or PNG contents [B] of different
    sizes, turned upright as their EXIF data says, and returns the same at the
    size of the largest, void below and to the right of smaller ones, and
    "height" and "width", int32 [B]. It is None where a size was fixed.

    `heads(images)` takes float32 [B, H, W, 3] in 0..255 and returns what the
    model does, before averages and all that follows.

    Whatever no picture is, or too large a one, is a
    `tf.errors.InvalidArgumentError` with words. The norms of attention are
    folded into its weights; all stay what they were when this was made.

    Args:
      model: images to a dictionary with `heads`, at the size of the images.
      heads: names in `keys` of what the model returns; SEMANTIC_LOGITS is one.
      options: scales, weights, sizes and limits.

    Raises:
      ValueError: the model returns something else.
    """

    # Names of what `predict` returns that are no maps.
    _lists: Sequence[str] = ()

    def __init__(
        self,
        model: tf_keras.Model,
        heads: Sequence[str],
        options: ExportOptions | None = None,
    ):
        super().__init__()
        self.options = options or ExportOptions()
        self.num_classes = _probe_classes(model, heads)
        shape = self.options.image_shape
        run = _inference(model, heads, self.options)
        # One graph of the model, which all others call; at several fixed
        # sizes one for each.
        self._run = tf.function(
            run, None if self.options.size_px else [_spec([None] * 3 + [3])]
        )
        # Nothing but the model may need AutoGraph, which takes its time.
        plain = functools.partial(tf.function, autograph=False)
        self.heads = plain(self._heads, [_spec(shape, tf.float32)])
        self.predict = plain(self._predict, [_spec(shape, tf.uint8)])
        limit = self.options.max_pixels
        self._decode = plain(
            lambda content: decode_upright(content, limit),
            [tf.TensorSpec([], tf.string)],
        )
        self.predict_encoded = None
        if not self.options.size_px:
            self.predict_encoded = plain(
                self._predict_encoded,
                [tf.TensorSpec([None], tf.string, name="image_bytes")],
            )
        # What is computed with is tracked, the model is not: Keras would trace
        # each layer once more and store what only Keras can read.
        self.weights = list(
            self.predict.get_concrete_function().graph.variables
        )

    def _returned(self, outputs: Maps) -> Maps:
        """What `predict` returns of the model's outputs, averaged.

        `outputs` have SEMANTIC_PROBABILITIES, too.
        """
        raise NotImplementedError

    def _nothing(self) -> dict[str, int]:
        """What maps hold outside of an image, where it is not 0."""
        raise NotImplementedError

    def _heads(self, images: tf.Tensor) -> Maps:
        # An image at a small scale may be one pixel.
        limit = self.options.max_pixels
        return self._run(checked_floats(images, limit, min_pixels=1))

    def _averaged(self, images: tf.Tensor) -> Maps:
        """The model's outputs, of all scales and mirror images."""
        return self.options.multi_scale.predict(self._run, images)

    def _predict(self, images: tf.Tensor) -> Maps:
        images = checked_images(images, self.options.max_pixels)
        outputs = self._averaged(tf.cast(images, tf.float32))
        returned = self._returned(outputs)
        if self.options.with_probabilities:
            name = keys.SEMANTIC_PROBABILITIES
            returned[name] = outputs[name]
        return returned

    def _predict_encoded(self, image_bytes: tf.Tensor) -> Maps:
        image_bytes = checked_contents(image_bytes)
        # Decoded twice, which is little beside the model: images of several
        # sizes cannot be kept in one tensor, and their largest size must be
        # known first.
        sizes = tf.map_fn(
            lambda content: tf.shape(self._decode(content))[:2],
            image_bytes,
            fn_output_signature=tf.TensorSpec([2], tf.int32),
        )
        largest = tf.reduce_max(sizes, axis=0)

        def one(content: tf.Tensor) -> Maps:
            maps = self.predict(self._decode(content)[tf.newaxis])
            return {
                name: self._padded(name, value[0], largest)
                for name, value in maps.items()
            }

        types = self.predict.get_concrete_function().structured_outputs
        maps = tf.map_fn(
            one,
            image_bytes,
            fn_output_signature={
                name: tf.TensorSpec(value.shape[1:], value.dtype)
                for name, value in types.items()
            },
            parallel_iterations=1,
        )
        return maps | {keys.HEIGHT: sizes[:, 0], keys.WIDTH: sizes[:, 1]}

    def _padded(
        self, name: str, value: tf.Tensor, size: tf.Tensor
    ) -> tf.Tensor:
        """A map [H, W, ...] below and right of which there is nothing."""
        if name in self._lists:
            return value
        missing = tf.expand_dims(size - tf.shape(value)[:2], -1)
        paddings = tf.pad(missing, [[0, value.shape.rank - 2], [1, 0]])
        nothing = self._nothing().get(name, 0)
        return tf.pad(value, paddings, constant_values=nothing)


def _inference(
    model: tf_keras.Model, heads: Sequence[str], options: ExportOptions
) -> Callable[[tf.Tensor], Maps]:
    """The model with weights as they are stored, to be traced."""
    copies = halve_model(model, options.weights_type)
    folded = fold_model(model)
    if copies:
        folded = tf.nest.map_structure(
            lambda value: tf.Variable(
                tf.cast(value, options.weights_type), trainable=False
            ),
            folded,
        )

    def run(images: tf.Tensor) -> Maps:
        as_floats = tf.nest.map_structure(
            lambda value: tf.cast(value, tf.float32), folded
        )
        with halved_weights(model, copies), folded_weights(as_floats):
            outputs = model(images, training=False)
        return {name: tf.cast(outputs[name], tf.float32) for name in heads}

    return run


def _spec(
    shape: list[int | None], dtype: tf.DType = tf.float32
) -> tf.TensorSpec:
    return tf.TensorSpec(shape, dtype, name="images")


def _probe_classes(model: tf_keras.Model, heads: Sequence[str]) -> int:
    """Classes that a model predicts for a small image; builds it, too."""
    outputs = model(tf.zeros([1, 33, 33, 3]), training=False)
    found = set(outputs) if isinstance(outputs, dict) else set()
    if not set(heads) <= found:
        raise ValueError(
            f"The model must return a dictionary with {sorted(heads)}; "
            f"{model.name!r} returns {sorted(found) or type(outputs)}."
        )
    return outputs[keys.SEMANTIC_LOGITS].shape[-1]
