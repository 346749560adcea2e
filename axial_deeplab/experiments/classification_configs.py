"""Experiments that train classifiers: ImageNet, and a small set of digits.

A model of another family becomes an experiment by its line in a table here.
"""

import dataclasses
import functools
from typing import Any

from official.core import config_definitions as cfg
from official.modeling import hyperparams

from axial_deeplab.backbones.axial_vit import AXIAL_VITS
from axial_deeplab.backbones.mscan import NORM
from axial_deeplab.experiments.configs import (
    BackboneConfig,
    experiment,
    register_experiments,
)
from axial_deeplab.experiments.panoptic_configs import PANOPTIC_MODELS

_IMAGENET_IMAGES = 1_281_167  # to train on


@dataclasses.dataclass
class ClassificationDataConfig(cfg.DataConfig):
    """Images to batches; see `data.classification_pipeline`.

    `input_path` (TFRecord files, or one folder with a folder for each class)
    and `image_size_px` must be set. The ranges and `flip` act in training
    only, `resize_px` in evaluation. Before the first step, `checked_records`
    are read (-1: all), equally many of each file; `max_bad_records` may be
    left out later.
    """

    image_size_px: int = 0
    resize_px: int | None = None
    area_range: list[float] = dataclasses.field(
        default_factory=lambda: [0.08, 1.0]
    )
    aspect_range: list[float] = dataclasses.field(
        default_factory=lambda: [3 / 4, 4 / 3]
    )
    flip: bool = True
    first_label: int = 0
    shuffle_buffer_size: int = 10_000
    max_bad_records: int = 0
    checked_records: int = 64


@dataclasses.dataclass
class ClassificationLossConfig(hyperparams.Config):
    """Cross entropy with smoothed labels, and weight decay.

    The decay of all trainable weights w adds `weight_decay / 2 * sum(w^2)` to
    the loss.
    """

    label_smoothing: float = 0.0
    weight_decay: float = 0.0


@dataclasses.dataclass
class ClassificationTaskConfig(cfg.TaskConfig):
    """One class for each image.

    An evaluation draws its first `validation_pictures` images with the names
    `class_names` (default: those of the folders of `validation_data`, or else
    numbers), in the order of the classes.

    Training starts from `init_checkpoint` (a file prefix, or a folder: its
    latest), of which the parts `init_checkpoint_modules` are taken.
    """

    num_classes: int = 1000
    class_names: list[str] = dataclasses.field(default_factory=list)
    model: BackboneConfig = dataclasses.field(default_factory=BackboneConfig)
    train_data: ClassificationDataConfig = dataclasses.field(
        default_factory=lambda: ClassificationDataConfig(is_training=True)
    )
    validation_data: ClassificationDataConfig = dataclasses.field(
        default_factory=lambda: ClassificationDataConfig(is_training=False)
    )
    losses: ClassificationLossConfig = dataclasses.field(
        default_factory=ClassificationLossConfig
    )
    init_checkpoint: str = ""
    init_checkpoint_modules: list[str] = dataclasses.field(
        default_factory=lambda: ["backbone"]
    )
    validation_pictures: int = 4


def _optimization(
    learning_rate: float, warmup_steps: int, average_decay: float
) -> dict[str, Any]:
    """Nesterov SGD, warm-up and cosine, moving average.

    The average takes the statistics of the batch norms in: those of the last
    weights would not fit averaged weights.
    """
    return {
        "optimizer": {
            "type": "sgd",
            "sgd": {"momentum": 0.9, "nesterov": True},
        },
        "learning_rate": {
            "type": "warmup_cosine",
            "warmup_cosine": {
                "base_learning_rate": learning_rate,
                "warmup_steps": warmup_steps,
            },
        },
        "ema": {
            "average_decay": average_decay,
            "trainable_weights_only": False,
        },
    }


def imagenet(model: str, batch_size: int) -> cfg.ExperimentConfig:
    """ImageNet as in arXiv:2003.07853, section 4.1, and arXiv:1906.05909.

    130 epochs, 10 of them warm-up. The weight decay is that of the authors'
    public code; the papers name none.
    """
    data = {"image_size_px": 224, "global_batch_size": batch_size}
    task = ClassificationTaskConfig(
        model=BackboneConfig(name=model),
        train_data=ClassificationDataConfig(is_training=True, **data),
        validation_data=ClassificationDataConfig(
            is_training=False, resize_px=256, **data
        ),
        losses=ClassificationLossConfig(label_smoothing=0.1, weight_decay=8e-5),
    )
    epoch = _IMAGENET_IMAGES / batch_size
    optimization = _optimization(0.1, round(10 * epoch), 0.9999)
    return experiment(task, round(130 * epoch), 100, optimization, 26)


def imagenet_adamw(model: str, drop_path: float) -> cfg.ExperimentConfig:
    """ImageNet "as DeiT" (arXiv:2209.08575; arXiv:2012.12877, Table 9).

    AdamW, 300 epochs, 5 of them warm-up; norms, biases and layer scales do not
    decay. Crops and mirror images are all its augmentation here: without
    RandAugment, mixup, CutMix and random erasing it ends below the paper.
    """
    batch_size = 1024
    data = {"image_size_px": 224, "global_batch_size": batch_size}
    task = ClassificationTaskConfig(
        model=BackboneConfig(
            name=model,
            drop_path=drop_path,
            norm_momentum=NORM.momentum,
            norm_epsilon=NORM.epsilon,
        ),
        train_data=ClassificationDataConfig(is_training=True, **data),
        validation_data=ClassificationDataConfig(
            is_training=False, resize_px=256, **data
        ),
        losses=ClassificationLossConfig(label_smoothing=0.1),
    )
    epoch = _IMAGENET_IMAGES / batch_size
    optimization = {
        "optimizer": {
            "type": "grouped_adamw",
            "grouped_adamw": {
                "weight_decay": 0.05,
                "exclude_patterns": ["/(gamma|beta|bias|factor)$"],
                "rate_patterns": [],
                "rate_factors": [],
            },
        },
        "learning_rate": {
            "type": "warmup_cosine",
            "warmup_cosine": {
                "base_learning_rate": 2.5e-4,
                "warmup_steps": round(5 * epoch),
            },
        },
    }
    return experiment(task, round(300 * epoch), 100, optimization, 30)


def digits(model: str) -> cfg.ExperimentConfig:
    """Handwritten digits of 32x32 pixels; minutes on a CPU.

    Mirrored digits are none; and so few steps ask for a larger rate, crops
    that keep more, and averages and batch norms that forget quickly.
    """
    data = {"image_size_px": 32, "global_batch_size": 64}
    task = ClassificationTaskConfig(
        num_classes=10,
        model=BackboneConfig(name=model, output_stride=8, norm_momentum=0.9),
        train_data=ClassificationDataConfig(
            is_training=True, flip=False, area_range=[0.7, 1.0], **data
        ),
        validation_data=ClassificationDataConfig(is_training=False, **data),
        losses=ClassificationLossConfig(label_smoothing=0.1, weight_decay=8e-5),
    )
    return experiment(task, 360, 20, _optimization(0.5, 40, 0.99), 2)


# Published batch sizes by model; the learning rate follows them.
_AXIAL_SIZES = ("26_s", "26_m", "26_l", "s", "m", "l")
_DEPTHS = (26, 38, 50)
IMAGENET_BATCH_SIZES = {
    **{f"axial_resnet_{size}": 1024 for size in _AXIAL_SIZES},
    **{f"full_axial_resnet_{size}": 512 for size in _AXIAL_SIZES},
    "ps_attention_resnet_50": 1024,
    **{f"resnet_{depth}": 4096 for depth in (*_DEPTHS, 101)},
    **{f"sasa_resnet_{depth}": 4096 for depth in _DEPTHS},
    **{f"sasa_resnet_{depth}_attention_stem": 4096 for depth in _DEPTHS},
}
# What panoptic models start from: their own backbones with a classifier.
IMAGENET_BATCH_SIZES |= {f"{name}_classifier": 1024 for name in PANOPTIC_MODELS}
# Drop-path rates by model: of MSCANs those of arXiv:2202.09741, whose code is
# their base (arXiv:2209.08575 names none); of ours those of their rows.
IMAGENET_DROP_PATHS = {
    **{"mscan_t": 0.1, "mscan_s": 0.1, "mscan_b": 0.1, "mscan_l": 0.2},
    **{name: row.drop_path for name, row in AXIAL_VITS.items()},
}
DIGITS_MODELS = ("axial_resnet_xs", "full_axial_resnet_xs")

CLASSIFICATION_EXPERIMENTS = (
    {
        f"imagenet_{name}": functools.partial(imagenet, name, batch_size)
        for name, batch_size in IMAGENET_BATCH_SIZES.items()
    }
    | {
        f"imagenet_{name}": functools.partial(imagenet_adamw, name, drop_path)
        for name, drop_path in IMAGENET_DROP_PATHS.items()
    }
    | {
        f"digits_{name}": functools.partial(digits, name)
        for name in DIGITS_MODELS
    }
)

register_experiments(CLASSIFICATION_EXPERIMENTS)
