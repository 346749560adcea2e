"""Keras callbacks of this package, for `model.fit`."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab import evaluation, keys
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.layers.keras_objects import refuse_keras_3
from axial_deeplab.postprocess import PanopticSettings, panoptic_prediction
from axial_deeplab.workers import Workers

_GROUPS = {"All": "", "Things": "_things", "Stuff": "_stuff"}


class PanopticQualityCallback(tf_keras.callbacks.Callback):
    """Adds panoptic quality on a data set to the logs of an epoch.

    The logs get, in percent, `val_pq`, `val_sq` and `val_rq` and the same with
    `_things` and `_stuff` at the end (NaN: no such segments). Callbacks that
    read them, such as `ModelCheckpoint(monitor="val_pq", mode="max")`, must
    stand behind this one in the list.

    Under a strategy the replicas share every batch, whatever its size; several
    workers take the batches in turn, and their counts are summed, so that all
    log the same numbers, to the last image.

    Args:
      validation_data: batches of (images [B, H, W, 3], labels), labels with
        `panoptic` [B, H, W] and, where images are padded, `height` and `width`
        [B]: what `data.pipeline.make_dataset` makes with `training=False`. The
        same on all workers.
      spec: class table of these maps.
      settings: of the post-processing; None: the defaults, for the classes of
        `spec`.
      every_epochs: evaluates after each so many epochs.

    Raises:
      ValueError: the data has another form, or `every_epochs` is < 1.
      TypeError: on use: the model is none of tf_keras.
    """

    def __init__(
        self,
        validation_data: tf.data.Dataset,
        spec: DatasetSpec,
        settings: PanopticSettings | None = None,
        every_epochs: int = 1,
    ):
        super().__init__()
        _check_data(validation_data)
        if every_epochs < 1:
            raise ValueError(
                f"`every_epochs` must be >= 1; got {every_epochs}."
            )
        self.validation_data, self.spec = validation_data, spec
        self.settings = settings or PanopticSettings.of(spec)
        self.every_epochs = every_epochs
        # Other callbacks and Keras' own lines read what this one adds.
        self._supports_tf_logs = True

    def set_model(self, model: tf_keras.Model) -> None:
        """Called by Keras before training."""
        refuse_keras_3(model=model)
        super().set_model(model)
        self._predict = _Predictor(model, self.settings)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Called by Keras."""
        if logs is not None and (epoch + 1) % self.every_epochs == 0:
            logs.update(self.evaluate())

    def evaluate(self) -> dict[str, float]:
        """The entries of the logs for the weights that the model has now."""
        workers = Workers(self.model.distribute_strategy)
        categories = evaluation.panoptic_categories(self.spec)
        quality = evaluation.PanopticQuality(categories)
        own = self.validation_data.shard(workers.count, workers.index)
        for images, labels in own:
            names = labels.get(keys.IMAGE_ID)
            maps = labels[keys.PANOPTIC], self._predict(images)
            for index, *pair in evaluation.unpadded(labels, *maps):
                truth, predicted = (
                    evaluation.panoptic_segments(one, self.spec) for one in pair
                )
                name = None if names is None else names[index].numpy()
                quality.update(*truth, *predicted, image_id=name)
        result = workers.merged(quality).result()
        return {
            f"val_{score}{suffix}": 100 * result[group][score]
            for group, suffix in _GROUPS.items()
            for score in ("pq", "sq", "rq")
        }


class _Predictor:
    """Panoptic maps of batches, whose images the replicas share.

    A batch that they cannot share evenly, or that is smaller than one before,
    is filled up with copies of its first image: no replica is left without
    one, and nothing is traced again.
    """

    def __init__(self, model: tf_keras.Model, settings: PanopticSettings):
        self._strategy, self._largest = model.distribute_strategy, 0
        self._replicas = Workers(self._strategy).replicas

        def maps(images: tf.Tensor) -> tf.Tensor:
            outputs = model(images, training=False)
            return panoptic_prediction(
                outputs[keys.SEMANTIC_LOGITS],
                outputs[keys.CENTER_HEATMAP],
                outputs[keys.CENTER_OFFSET],
                settings,
            )[keys.PANOPTIC]

        self._run = tf.function(
            lambda images: self._strategy.run(maps, (images,)),
            autograph=False,
        )

    def __call__(self, images: tf.Tensor) -> np.ndarray:
        """[B, H, W, 3] -> panoptic ids [B, H, W]."""
        replicas, count = self._replicas, len(images)
        share = -(-max(count, self._largest) // replicas)
        self._largest = share * replicas
        copies = tf.repeat(images[:1], self._largest - count, axis=0)
        shares = tf.split(tf.concat([images, copies], 0), replicas)
        if self._strategy.num_replicas_in_sync == 1:
            return self._run(shares[0]).numpy()
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: shares[context.replica_id_in_sync_group % replicas]
        )
        found = self._strategy.experimental_local_results(self._run(values))
        return np.concatenate([one.numpy() for one in found])[:count]


def _check_data(data: Any) -> None:
    spec = getattr(data, "element_spec", None)
    if (
        not isinstance(spec, tuple)
        or len(spec) != 2
        or not isinstance(spec[1], dict)
        or keys.PANOPTIC not in spec[1]
    ):
        raise ValueError(
            "`validation_data` must be a tf.data.Dataset of (images, labels) "
            f"with labels[{keys.PANOPTIC!r}], as make_dataset makes it with "
            f"training=False; got {spec or type(data).__name__}."
        )
