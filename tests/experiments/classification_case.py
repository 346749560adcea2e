"""A tiny classifier and its experiment, for tests that train."""

import pathlib
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from axial_deeplab.experiments import config_options, image_task
from tests.data import labelled_case

EXPERIMENT = "digits_axial_resnet_xs"
SIZE_PX = 20


class ToyClassifier(tf_keras.Model):
    """A convolution, a norm and the mean; any image size."""

    def __init__(self, num_classes: int):
        super().__init__(name="toy_classifier")
        # Seeded here: the global seed is other tests', too.
        first, last = (
            tf_keras.initializers.GlorotUniform(seed=seed) for seed in (1, 2)
        )
        self.stem = tf_keras.Sequential(
            [
                tf_keras.layers.Conv2D(
                    8, 3, strides=2, kernel_initializer=first
                ),
                tf_keras.layers.BatchNormalization(momentum=0.5),
                tf_keras.layers.ReLU(),
                tf_keras.layers.GlobalAveragePooling2D(),
            ]
        )
        self.classify = tf_keras.layers.Dense(
            num_classes, kernel_initializer=last, dtype="float32"
        )

    @property
    def checkpoint_items(self) -> dict[str, tf.Module]:
        return {"backbone": self.stem}

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        x = tf.cast(images, self.compute_dtype) / 127.5 - 1.0
        return self.classify(self.stem(x, training=training))


def toy_classifier(num_classes: int, **_: Any) -> ToyClassifier:
    model = ToyClassifier(num_classes)
    model.build((None, None, None, 3))
    return model


def use_toy_classifier(monkeypatch) -> None:
    """Lets tasks build `toy_classifier`."""
    monkeypatch.setattr(image_task, "create_model", toy_classifier)


def override(train: str, validation: str, *more: str) -> str:
    """--params_override for a run of seconds on the pictures of two sources."""
    data = [
        f"image_size_px={SIZE_PX}",
        "global_batch_size=3",
        "seed=7",
        "shuffle_buffer_size=10",
    ]
    return ",".join(
        [
            *(f"task.train_data.{option}" for option in data),
            *(f"task.validation_data.{option}" for option in data),
            f"task.train_data.input_path='{train}'",
            f"task.validation_data.input_path='{validation}'",
            f"task.num_classes={len(labelled_case.CLASSES)}",
            "trainer.train_steps=4",
            "trainer.steps_per_loop=2",
            "trainer.summary_interval=2",
            "trainer.checkpoint_interval=2",
            "trainer.validation_interval=4",
            "trainer.optimizer_config.learning_rate.warmup_cosine.warmup_steps=1",
            *more,
        ]
    )


def config(folder: pathlib.Path, *more: str) -> cfg.ExperimentConfig:
    """The experiment on the records of `labelled_case.write_records`."""
    pattern = f"{folder}/val-*"
    return config_options.experiment_config(
        EXPERIMENT, params_override=override(pattern, pattern, *more)
    )
