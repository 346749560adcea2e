"""Labelled images to batches for training and evaluating classifiers."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from axial_deeplab.data import augment, crops, labelled_images, reading
from axial_deeplab.data.bad_records import map_readable
from axial_deeplab.data.crops import RandomCrop
from axial_deeplab.data.image_names import name_bytes
from axial_deeplab.data.tfrecord_schema import checked


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassificationPipelineConfig(reading.ReadingConfig):
    """How labelled images become batches; beside what `ReadingConfig` has.

    `file_pattern` may also be one folder, with a folder of images for each
    class; `shuffle_buffer` is then all of it.

    Attributes:
      image_size_px: height and width of every image of a batch.
      num_classes: how many classes there are.
      resize_px: evaluation takes the center that is left when the shorter
        side has this length; default: all of it.
      augmentation: what varies in training.
      first_label: the number of the first class in the records; 1 where 0
        stands for none, as in Model Garden's ImageNet.
      with_names: training batches end in the names of their images.
    """

    image_size_px: int
    num_classes: int
    resize_px: int | None = None
    augmentation: RandomCrop = RandomCrop()
    first_label: int = 0
    with_names: bool = False

    def __post_init__(self):
        """Refuses an evaluation that would need more than the image."""
        if self.resize_px is not None and self.resize_px < self.image_size_px:
            raise ValueError(
                "`resize_px` must be at least `image_size_px`; got "
                f"{self.resize_px} and {self.image_size_px}."
            )


def make_classification_dataset(
    config: ClassificationPipelineConfig,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Batches `(images, labels, weights)` of one split.

    Images are float32 [B, S, S, 3] in 0..255, labels int32 [B] from 0 on,
    weights float32 [B]. All batches are full: those of an evaluation end in
    blank images of weight 0, as many as all replicas need for one more batch.
    With `with_names` training batches have a fourth entry, uint8
    [B, NAME_BYTES] of `image_names.name_bytes`.

    Args:
      config: what to read and how.
      input_context: which share of the images this input pipeline of a
        distributed run reads, and how many replicas share a batch.

    Raises:
      FileNotFoundError: no file matches a pattern.
      ValueError: the folder does not hold a folder for each class.
      tf.errors.InvalidArgumentError: while reading: a record is incomplete, a
        file no image, or a label not among the classes.
    """
    context = input_context or tf.distribute.InputContext()
    items_of_epoch, load, buffer = _items(config, context)
    batch_size = reading.replica_batch_size(config, input_context)
    if config.training:
        examples = reading.shuffled_examples(
            items_of_epoch,
            lambda item, seed: _training_example(load(item), seed, config),
            dataclasses.replace(config, shuffle_buffer=buffer),
            lambda item: load(item)[-1],
        )
        dataset = examples.batch(batch_size, drop_remainder=True)
    else:
        examples = map_readable(
            items_of_epoch(None),
            lambda item: _evaluation_example(load(item), config),
            lambda item: load(item)[-1],
            config.max_bad_records,
        )
        replicas = context.num_replicas_in_sync // context.num_input_pipelines
        dataset = _full_batches(examples, batch_size, replicas)
    return reading.prefetched(dataset)


def check_records(config: ClassificationPipelineConfig, count: int) -> None:
    """Reads some records, or files of folders, as an evaluation will.

    Args:
      config: what to read, and how.
      count: how many, equally many of each record file; -1: all.

    Raises:
      ValueError: there is none, or one is damaged, holds no image, or a label
        that is not among the classes.
    """
    items_of_epoch, load, _ = _items(config, tf.distribute.InputContext())

    def read(item):
        _evaluation_example(load(item), config)

    if load is labelled_images.decode_record:
        reading.check_first_records(config, read, count)
        return
    for item in items_of_epoch(None).take(count):
        reading.check_record(config, read, item["path"].numpy().decode(), item)


def _items(
    config: ClassificationPipelineConfig, context: tf.distribute.InputContext
) -> tuple[
    Callable[[tf.Tensor | None], tf.data.Dataset],
    Callable[..., labelled_images.LabelledImage],
    int,
]:
    """What to read by epoch, how to read one, how many to shuffle at a time."""
    folder = config.file_pattern
    if not isinstance(folder, str) or not tf.io.gfile.isdir(folder):
        return (
            lambda epoch: reading.read_records(config, context, epoch),
            labelled_images.decode_record,
            config.shuffle_buffer,
        )
    paths, labels, names = labelled_images.list_class_folders(folder)
    if len(names) != config.num_classes:
        raise ValueError(
            f"{folder} holds {len(names)} class folders, {names[0]} to "
            f"{names[-1]}; there should be {config.num_classes}."
        )
    labels = [label + config.first_label for label in labels]
    files = tf.data.Dataset.from_tensor_slices({"path": paths, "label": labels})
    files = files.shard(context.num_input_pipelines, context.input_pipeline_id)
    return lambda epoch: files, _read_file, len(paths)


def _read_file(item: dict[str, tf.Tensor]) -> labelled_images.LabelledImage:
    return labelled_images.read_file(item["path"], item["label"])


def _training_example(labelled, seed, config):
    encoded, label, name = labelled
    crop = config.augmentation
    crop_seed, flip_seed = augment.split_seed(seed, 2)
    image = crops.decode_window(
        encoded, lambda size: crops.random_window(size, crop, crop_seed)
    )
    image = crops.resize_square(image, config.image_size_px)
    if crop.flip:
        image = crops.random_mirror(image, flip_seed)
    example = image, _class(label, name, config), 1.0
    return (*example, name_bytes(name)) if config.with_names else example


def _evaluation_example(labelled, config):
    encoded, label, name = labelled
    size_px = config.image_size_px
    resize_px = config.resize_px or size_px
    image = crops.decode_window(
        encoded, lambda size: crops.central_window(size, size_px, resize_px)
    )
    image = crops.resize_square(image, size_px)
    return image, _class(label, name, config), 1.0


def _class(label, name, config) -> tf.Tensor:
    """The label counted from 0, if it is one of the classes."""
    number = tf.cast(label, tf.int32) - config.first_label
    return checked(
        number,
        (number >= 0) & (number < config.num_classes),
        f"Labels must be {config.first_label} to "
        f"{config.first_label + config.num_classes - 1}. Image, its label:",
        *(name, label),
    )


def _full_batches(
    examples: tf.data.Dataset, batch_size: int, replicas: int
) -> tf.data.Dataset:
    """Batches of examples, then of blanks until every replica has had its own.

    Replicas that get no image at all stumble over empty tensors.
    """
    blank = tf.nest.map_structure(
        lambda spec: tf.zeros(spec.shape, spec.dtype), examples.element_spec
    )
    blanks = tf.data.Dataset.from_tensors(blank).repeat()
    of_all = batch_size * replicas
    filled = examples.concatenate(blanks.take(of_all - 1))
    dataset = filled.batch(of_all, drop_remainder=True)
    return dataset if replicas == 1 else dataset.rebatch(batch_size, True)
