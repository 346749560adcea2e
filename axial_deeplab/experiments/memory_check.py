"""Whether a training step can fit into memory at all, before it is tried."""

import math
import pathlib

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

_GIB = 2**30
# Batches below this share of the memory are not worth the seconds of a look.
_SMALL_SHARE = 1e-3
# Batch norms need the outputs of these once more on the way back.
_KEPT = ("Conv2D", "DepthwiseConv2dNative")


def check_memory(
    model: tf_keras.Model,
    config: cfg.ExperimentConfig,
    replicas: int,
    local_replicas: int,
    available: int | None = None,
) -> None:
    """Refuses crops that cannot fit into the memory of this machine.

    Only where it computes itself: what accelerators have is not known here.
    The need is a bound from below, of convolutions alone; what passes may
    still turn out too large.

    Args:
      model: built.
      config: the experiment.
      replicas: that share a batch.
      local_replicas: those of them on this machine.
      available: bytes; default: what the system says is free.

    Raises:
      ValueError: saying what to change.
    """
    if any(tf.config.list_logical_devices(kind) for kind in ("GPU", "TPU")):
        return
    available = available_bytes() if available is None else available
    data = config.task.train_data
    size_px = crop_size_px(data)
    parts = config.trainer.accumulation_steps
    share = max(data.global_batch_size // parts // replicas, 1)
    batch = share * local_replicas
    if 12 * batch * math.prod(size_px) < _SMALL_SHARE * available:
        return
    needed = needed_bytes(
        model, share, size_px, getattr(config.task.model, "recompute", False)
    )
    needed *= local_replicas
    if needed > available:
        raise ValueError(
            f"A step on {batch} crops of {size_px[0]}x{size_px[1]} pixels "
            f"needs at least {needed / _GIB:.1f} GiB of memory, of which "
            f"{available / _GIB:.1f} are free: lower the crop or the batch of "
            "task.train_data, raise trainer.accumulation_steps, or set "
            "task.model.recompute."
        )


def crop_size_px(data: cfg.DataConfig) -> tuple[int, int]:
    """(height, width) of the images of a batch."""
    if hasattr(data, "image_size_px"):
        return data.image_size_px, data.image_size_px
    return tuple(data.crop_size_px)


def needed_bytes(
    model: tf_keras.Model,
    batch: int,
    size_px: tuple[int, int],
    recompute: bool,
) -> int:
    """What a training step of this model cannot do without.

    The outputs of all convolutions, or, where they are computed once more,
    the largest one and its gradient. Nothing is computed here.
    """

    @tf.function(autograph=False)
    def forward(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=True)

    images = tf.TensorSpec([batch, *size_px, 3])
    graph = forward.get_concrete_function(images).graph
    sizes = [
        tensor.shape.num_elements() * tensor.dtype.size
        for operation in graph.get_operations()
        if operation.type in _KEPT
        for tensor in operation.outputs
        if tensor.shape.is_fully_defined()
    ]
    return 2 * max(sizes) if recompute else sum(sizes)


def available_bytes() -> int:
    """Memory that is free, within the limit of a container around us."""
    free = math.inf
    info = pathlib.Path("/proc/meminfo")
    if info.exists():
        lines = dict(line.split(":") for line in info.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    group = pathlib.Path("/sys/fs/cgroup")
    try:
        limit, used = (
            (group / f"memory.{name}").read_text()
            for name in ("max", "current")
        )
        free = min(free, int(limit) - int(used))
    except (OSError, ValueError):
        pass  # no such group, or the limit "max"
    return free
