"""TFRecord files to batches for training and evaluation."""

import dataclasses

import tensorflow as tf

from axial_deeplab import keys
from axial_deeplab.data import augment, image_ops, reading, tfrecord_schema
from axial_deeplab.data.augment import Augmentation
from axial_deeplab.data.bad_records import map_readable
from axial_deeplab.data.dataset_specs import DatasetSpec
from axial_deeplab.data.image_names import name_bytes
from axial_deeplab.data.panoptic_targets import (
    TargetSettings,
    panoptic_targets,
)

# Entries of the evaluation labels that hold what training would get.
TARGETS = "targets"
WEIGHTS = "weights"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig(reading.ReadingConfig):
    """How records become batches; beside what every `ReadingConfig` has.

    Attributes:
      crop_size_px: (height, width) of every image of a batch.
      resize_long_side_px: first gives every image this longer side.
      resize_short_side_px: with it, a shorter side of at most this.
      augmentation: what varies in training.
      sigma_px: of the Gaussians of the center heatmap.
      small_instance_area_px: instances below this area, in the crop, have
        pixels of semantic weight `small_instance_weight`.
      small_instance_weight: see above.
      drop_remainder: drops a last batch that is not full; default: in
        training only.
      with_targets: evaluation labels also hold `targets` and `weights`.
      with_names: training batches end in the names of their images.
      cache: keeps the records in memory, or in files of that name, after the
        first epoch.
    """

    crop_size_px: tuple[int, int]
    resize_long_side_px: int | None = None
    resize_short_side_px: int | None = None
    augmentation: Augmentation = Augmentation()
    sigma_px: int = 8
    small_instance_area_px: int = 4096
    small_instance_weight: float = 3.0
    drop_remainder: bool | None = None
    with_targets: bool = False
    with_names: bool = False
    cache: bool | str = False

    def __post_init__(self):
        """Refuses a shorter side without a longer one."""
        if self.resize_short_side_px and not self.resize_long_side_px:
            raise ValueError(
                "`resize_short_side_px` needs `resize_long_side_px`."
            )


def make_dataset(
    config: PipelineConfig,
    spec: DatasetSpec,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches of one split.

    Training: `(images, targets, weights)`; images float32 [B, H, W, 3] in
    0..255, targets and weights as of `panoptic_targets`, except that the
    semantic weight is 0 on void. Smaller images are padded at a random place.
    With `with_names` there is a fourth entry, uint8 [B, NAME_BYTES] of
    `image_names.name_bytes`.

    Evaluation: `(images, labels)`; labels are `panoptic` int32 [B, H, W] with
    crowd as a thing of instance 0, `image_id` string [B] and `height`, `width`
    int32 [B], the part of image and map that is not padding: that is at the
    bottom and at the right only. With `with_targets` also the entries
    `targets` and `weights`, as in training.

    Args:
      config: what to read and how.
      spec: the data set that the records were made from.
      input_context: which share of the records this input pipeline of a
        distributed run reads, and how many replicas share a batch.

    Raises:
      FileNotFoundError: no file matches a pattern.
      ValueError: the files are shards of different conversions.
      tf.errors.InvalidArgumentError: while reading: a record is damaged, holds
        a class that `spec` lacks, or, in evaluation, an image is larger than
        the crop.
    """
    records_of_epoch = _records(config, input_context)
    if config.training:
        dataset = reading.shuffled_examples(
            records_of_epoch,
            lambda record, seed: _training_example(record, seed, config, spec),
            config,
            tfrecord_schema.image_name,
        )
    else:
        dataset = map_readable(
            records_of_epoch(None),
            lambda record: _evaluation_example(record, config, spec),
            tfrecord_schema.image_name,
            config.max_bad_records,
        )
    drop_remainder = config.drop_remainder
    if drop_remainder is None:
        drop_remainder = config.training
    batch_size = reading.replica_batch_size(config, input_context)
    return reading.prefetched(dataset.batch(batch_size, drop_remainder))


def check_records(
    config: PipelineConfig, spec: DatasetSpec, count: int
) -> None:
    """Reads some records, as training or evaluation will.

    Args:
      config: what to read, and how.
      spec: the data set that the records were made from.
      count: how many, equally many of each file; -1: all.

    Raises:
      ValueError: there is none, or one is damaged, holds no image or a class
        that `spec` lacks, or, in evaluation, an image larger than the crop.
    """

    def read(record):
        if config.training:
            _decode(record, spec)
        else:
            _evaluation_example(record, config, spec)

    reading.check_first_records(config, read, count)


def _records(config, input_context):
    """Records by epoch: cached ones come in one order."""
    if not config.cache:
        return lambda epoch: reading.read_records(config, input_context, epoch)
    name = config.cache if isinstance(config.cache, str) else ""
    first = None if config.seed is None else tf.constant(0, tf.int64)
    cached = reading.read_records(config, input_context, first).cache(name)
    return lambda epoch: cached


def _training_example(record, seed, config, spec):
    example = _decode(record, spec)
    image, panoptic = example[keys.IMAGE], example[keys.PANOPTIC]
    size_seed, crop_seed, flip_seed, colour_seed = augment.split_seed(seed, 4)
    augmentation = config.augmentation
    if config.resize_long_side_px or augmentation.changes_scale:
        # One resampling for both changes of size keeps the image sharper.
        size = _resized(tf.shape(panoptic), config)
        size = augment.random_size(size, augmentation, size_seed)
        image, panoptic = augment.resize_pair(image, panoptic, size)
    image = augment.random_colour(image, augmentation, colour_seed)
    if augmentation.largest_class_share is not None:
        crop_seed = augment.varied_seed(
            panoptic, config.crop_size_px, spec, augmentation, crop_seed
        )
    image, panoptic = augment.pad_and_crop(
        image, panoptic, config.crop_size_px, spec.void_id, crop_seed
    )
    if augmentation.flip:
        image, panoptic = augment.random_flip(image, panoptic, flip_seed)
    labels = _targets(panoptic, config, spec)
    if config.with_names:
        labels = *labels, name_bytes(example[keys.IMAGE_ID])
    return image, *labels


def _evaluation_example(record, config, spec):
    example = _decode(record, spec)
    image = tf.cast(example.pop(keys.IMAGE), tf.float32)
    panoptic = example[keys.PANOPTIC]
    size = tf.shape(panoptic)
    if config.resize_long_side_px:
        size = _resized(size, config)
        image, panoptic = augment.resize_pair(image, panoptic, size)
    crop = config.crop_size_px
    image, panoptic = tfrecord_schema.checked(
        (image, panoptic),
        tf.reduce_all(size <= crop),
        "The image is larger than the evaluation crop; enlarge the crop or "
        "set resize_long_side_px. Image, its size, crop:",
        *(example[keys.IMAGE_ID], size, crop),
    )
    image = image_ops.pad_to(image, [0, 0], crop, augment.IMAGE_PADDING_VALUE)
    panoptic = image_ops.pad_to(panoptic, [0, 0], crop, spec.void_id)
    panoptic = tf.ensure_shape(panoptic, crop)
    labels = example | {
        keys.PANOPTIC: panoptic,
        keys.HEIGHT: size[0],
        keys.WIDTH: size[1],
    }
    if config.with_targets:
        targets, weights = _targets(panoptic, config, spec)
        labels |= {TARGETS: targets, WEIGHTS: weights}
    return tf.ensure_shape(image, [*crop, 3]), labels


def _resized(size_px, config) -> tf.Tensor:
    """(height, width) that images get before all else."""
    if not config.resize_long_side_px:
        return size_px
    if not config.resize_short_side_px:
        return augment.long_side_size(size_px, config.resize_long_side_px)
    return augment.fitting_size(
        size_px, config.resize_long_side_px, config.resize_short_side_px
    )


def _decode(record, spec) -> dict[str, tf.Tensor]:
    """The example; an error if the data set lacks one of its classes."""
    example = tfrecord_schema.decode_example(record)
    panoptic = example[keys.PANOPTIC]
    labelled = tf.where(panoptic == spec.void_id, 0, panoptic)
    largest = tf.reduce_max(labelled)
    example[keys.PANOPTIC] = tfrecord_schema.checked(
        panoptic,
        largest < spec.num_classes * spec.label_divisor,
        f"The data set {spec.name} has {spec.num_classes} classes and label "
        f"divisor {spec.label_divisor}; the record has larger ids. Image, its "
        "largest id:",
        *(example[keys.IMAGE_ID], largest),
    )
    return example


def _targets(panoptic, config, spec):
    """Targets and weights of a crop, without semantic loss on void."""
    settings = TargetSettings.for_dataset(
        spec,
        sigma_px=config.sigma_px,
        small_instance_area_px=config.small_instance_area_px,
        small_instance_weight=config.small_instance_weight,
    )
    targets, weights = panoptic_targets(panoptic, settings)
    labelled = targets[keys.SEMANTIC_LOGITS] != spec.ignore_label
    weights[keys.SEMANTIC_LOGITS] *= tf.cast(labelled, tf.float32)
    return targets, weights
