"""Scenes that a small model reads off its images, trained with `model.fit`.

Red marks sheep, green dogs, blue the centers of both: what the model starts
with finds most of them. Some are painted over, so that some are missed.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.callbacks import PanopticQualityCallback
from axial_deeplab.layers.normalization import BatchNorm
from axial_deeplab.losses import panoptic_losses
from axial_deeplab.optimization import Lookahead, RectifiedAdam
from tests.export.toy import TOY_DATASET, TOY_SETTINGS

HEIGHT, WIDTH = 20, 26
BATCH = 4
STEPS = 3  # of an epoch
EPOCHS = 3
VALIDATION_IMAGES = 9
_DIVISOR, _VOID = TOY_DATASET.label_divisor, TOY_DATASET.void_id


def scenes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 [count, H, W, 3] and panoptic maps int32 [count, H, W]."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (count, HEIGHT, WIDTH, 3)).astype(np.uint8)
    maps = np.zeros((count, HEIGHT, WIDTH), np.int32)
    maps[:, :2] = _VOID
    for image, panoptic in zip(images, maps, strict=True):
        for instance, left in enumerate((1, 10, 19), start=1):
            y, x = rng.integers(3, 11), left + rng.integers(0, 2)
            kind = int(rng.integers(1, 3))
            part = np.s_[y : y + 6, x : x + 5]
            panoptic[part] = kind * _DIVISOR + instance
            image[part][..., kind - 1] = 250
            image[y + 3, x + 2, 2] = 255
            if rng.random() < 0.4:  # hides a part, of one or of most of it
                image[y : y + int(rng.integers(2, 5)), x : x + 5] = 0
    return images, maps


def training_data() -> tf.data.Dataset:
    """`STEPS` batches, the same in each epoch."""
    images, maps = scenes(BATCH * STEPS, seed=1)
    classes = maps // _DIVISOR
    targets = {
        keys.SEMANTIC_LOGITS: classes,
        keys.CENTER_HEATMAP: (images[..., 2:] == 255).astype(np.float32),
        keys.CENTER_OFFSET: np.zeros((*maps.shape, 2), np.float32),
    }
    valid = (classes != TOY_DATASET.ignore_label).astype(np.float32)
    data = (images.astype(np.float32), targets, dict.fromkeys(targets, valid))
    data = tf.data.Dataset.from_tensor_slices(data).batch(BATCH)
    options = tf.data.Options()
    options.autotune.enabled = False  # its thread holds up an iterator's end
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    return data.with_options(options)


def validation_data(batch: int = BATCH) -> tf.data.Dataset:
    """Batches of evaluation; the last is not full. Sides are not either."""
    images, maps = scenes(VALIDATION_IMAGES, seed=2)
    labels = {
        keys.PANOPTIC: maps,
        keys.HEIGHT: np.full(len(maps), HEIGHT - 3, np.int32),
        keys.WIDTH: np.arange(WIDTH - len(maps), WIDTH, dtype=np.int32),
        keys.IMAGE_ID: np.array([f"scene_{i}" for i in range(len(maps))]),
    }
    return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch)


def model() -> tf_keras.Model:
    """A convolution and a norm beside the colours, and the three heads."""
    tf_keras.utils.set_random_seed(1)
    images = tf_keras.Input([None, None, 3])
    x = tf_keras.layers.Rescaling(1 / 255)(images)
    beside = tf_keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = tf_keras.layers.Concatenate()([x, BatchNorm()(beside)])
    outputs = {
        keys.SEMANTIC_LOGITS: _head(x, [(0, 1), (1, 2)], 3, [2.0, 0.0, 0.0]),
        keys.CENTER_HEATMAP: _head(x, [(2, 0)], 1, [0.0]),
        keys.CENTER_OFFSET: _head(x, [], 2, [0.0, 0.0]),
    }
    return tf_keras.Model(images, outputs)


def _head(x, reads, channels, bias):
    """A 1x1 convolution; (input, output) in `reads` have large weights."""
    kernel = np.full((x.shape[-1], channels), 0.05, np.float32)
    for pair in reads:
        kernel[pair] = 4.0 if channels > 1 else 1.0
    return tf_keras.layers.Conv2D(
        channels,
        1,
        kernel_initializer=tf_keras.initializers.Constant(kernel),
        bias_initializer=tf_keras.initializers.Constant(bias),
    )(x)


def compiled_model(**options) -> tf_keras.Model:
    """With this package's losses and optimizer."""
    result = model()
    optimizer = Lookahead(RectifiedAdam(2e-3), sync_period=4)
    result.compile(optimizer, loss=panoptic_losses(), **options)
    # Variables that a step creates would let it be traced twice.
    optimizer.build(result.trainable_variables)
    result.compiled_loss.build(result.output)
    return result


def quality(batch: int = BATCH, **options) -> PanopticQualityCallback:
    """On `validation_data`."""
    return PanopticQualityCallback(
        validation_data(batch), TOY_DATASET, TOY_SETTINGS, **options
    )


class Interruption(tf_keras.callbacks.Callback):
    """Ends a training with an error in the middle of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations.numpy() == EPOCHS * STEPS - 1:
            raise InterruptedError("as asked for")


def fit(
    folder: pathlib.Path,
    *more: tf_keras.callbacks.Callback,
    save_freq: str | int = "epoch",
    trained: tf_keras.Model | None = None,
    data: tf.data.Dataset | None = None,
) -> tuple[tf_keras.Model, dict[str, Sequence[float]]]:
    """A model after `EPOCHS`, and its history; resumes from `folder`.

    `data` goes on for ever, if it is given.
    """
    trained = trained or compiled_model()
    callbacks = [
        tf_keras.callbacks.BackupAndRestore(str(folder / "backup"), save_freq),
        quality(),
        tf_keras.callbacks.ModelCheckpoint(
            str(folder / "best.keras"),
            "val_pq",
            mode="max",
            save_best_only=True,
        ),
        *more,
    ]
    history = trained.fit(
        data or training_data(),
        epochs=EPOCHS,
        steps_per_epoch=STEPS if data else None,
        callbacks=callbacks,
        verbose=0,
    )
    return trained, history.history
