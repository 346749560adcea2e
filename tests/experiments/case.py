"""Tiny scenes, experiments and models for tests that train."""

import functools
import pathlib
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from axial_deeplab import keys
from axial_deeplab.backbones.resnet import ResNetSpec, build_resnet
from axial_deeplab.data import convert_shapes, shards
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.decoders.dual_conv import (
    DualDecoderSpec,
    build_dual_decoder,
)
from axial_deeplab.experiments import config_options, image_task
from axial_deeplab.layers.mixers import AxialMixer, ConvMixer, HybridMixer
from axial_deeplab.layers.stems import deeplab_stem
from axial_deeplab.models.heads import panoptic_heads
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab
from tests.export.toy import ToyPanopticModel

SIZE_PX = 33
NUM_CLASSES = dataset_spec("shapes").num_classes
VAL_SCENES = 5
SCHEDULE = "trainer.optimizer_config.learning_rate.warmup_poly"


def write_scenes(
    folder: pathlib.Path,
    size_px: tuple[int, int] = (SIZE_PX, SIZE_PX),
    val_scenes: int = VAL_SCENES,
) -> pathlib.Path:
    """Records of 4 training and, unless told, 5 validation scenes."""
    for split, count in (("train", 4), ("val", val_scenes)):
        record = functools.partial(
            convert_shapes.shapes_record, seed=0, split=split, size_px=size_px
        )
        paths = [folder / shards.shard_name(split, 0, 1)]
        list(shards.write_shards(paths, range(count), record))
    return folder


def override(folder: pathlib.Path, *more: str, crop_px: int = SIZE_PX) -> str:
    """--params_override for a run of seconds on `write_scenes(folder)`.

    Batches of two (the last one of the validation is not full), two steps,
    and whatever `more` changes.
    """
    data = [
        f"crop_size_px=[{crop_px},{crop_px}]",
        "global_batch_size=2",
        "seed=7",
    ]
    return ",".join(
        [
            *(f"task.train_data.{option}" for option in data),
            *(f"task.validation_data.{option}" for option in data),
            f"task.train_data.input_path='{folder}/train-*'",
            f"task.validation_data.input_path='{folder}/val-*'",
            "trainer.train_steps=2",
            "trainer.steps_per_loop=1",
            "trainer.summary_interval=1",
            "trainer.checkpoint_interval=2",
            "trainer.validation_interval=2",
            f"{SCHEDULE}.total_steps=100",
            f"{SCHEDULE}.warmup_steps=0",
            *more,
        ]
    )


def config(
    folder: pathlib.Path, *more: str, crop_px: int = SIZE_PX
) -> cfg.ExperimentConfig:
    """The experiment that `override` describes."""
    return config_options.experiment_config(
        "axial_deeplab_shapes",
        params_override=override(folder, *more, crop_px=crop_px),
    )


class ToyModel(ToyPanopticModel):
    """A few convolutions, whose training compiles at once."""

    @property
    def checkpoint_items(self) -> dict[str, tf.Module]:
        return {"backbone": self.stem}


def toy_model(
    name: str = "toy", num_classes: int = NUM_CLASSES, **_: Any
) -> ToyModel:
    """A built `ToyModel`; the name "other" gives one more class."""
    model = ToyModel(num_classes + (name == "other"))
    model.build((None, None, None, 3))
    return model


class PlainModel(tf_keras.Model):
    """Three heads without a batch norm."""

    def __init__(self):
        super().__init__()
        filters = {
            keys.SEMANTIC_LOGITS: NUM_CLASSES,
            keys.CENTER_HEATMAP: 1,
            keys.CENTER_OFFSET: 2,
        }
        start = tf_keras.initializers.RandomNormal(stddev=0.1, seed=3)
        self.heads = {
            key: tf_keras.layers.Conv2D(
                count, 3, padding="same", kernel_initializer=start
            )
            for key, count in filters.items()
        }
        self.build((None, None, None, 3))

    def call(self, images, training=False):
        return {k: head(images / 255 - 0.5) for k, head in self.heads.items()}


def use_toy_model(monkeypatch) -> None:
    """Lets tasks build `toy_model`."""
    monkeypatch.setattr(image_task, "create_model", toy_model)


def use_tiny_axial_deeplab(monkeypatch) -> None:
    """Lets tasks build `tiny_axial_deeplab`."""
    monkeypatch.setattr(image_task, "create_model", tiny_axial_deeplab)


def tiny_axial_deeplab(
    name: str = "tiny", num_classes: int = NUM_CLASSES, norm=None, **_: Any
) -> PanopticDeepLab:
    """A block a stage; the last attends, as attention traces longest."""
    attention = AxialMixer(heads=1, max_distance=SIZE_PX)
    spec = ResNetSpec(
        blocks=(1, 1, 1, 1),
        width=0.0625,
        stem=deeplab_stem,
        mixer=HybridMixer(attention, ConvMixer(), from_stride=16),
    )
    decoder = DualDecoderSpec(semantic_filters=16, instance_filters=8)
    model = PanopticDeepLab(
        build_resnet(spec, 16, norm=norm),
        build_dual_decoder(decoder, 16, norm=norm),
        panoptic_heads(num_classes, decoder.semantic_filters, norm),
    )
    model.build((None, None, None, 3))
    return model
