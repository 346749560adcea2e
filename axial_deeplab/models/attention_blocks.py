"""Where the blocks of a model look to in an image, attention map by map.

As in Figures 7 and 8 of arXiv:2003.07853: the pixels of one row attend to
their columns, those of one column to their rows.
"""

import dataclasses

import numpy as np
import tensorflow as tf
import tf_keras

from axial_deeplab.layers.attention_maps import recorded_inputs
from axial_deeplab.layers.axial_attention import (
    AxialAttention,
    AxialAttention2D,
)


@dataclasses.dataclass(frozen=True)
class AxisMaps:
    """Attention along one axis of a feature map, for one line of queries.

    Attributes:
      weights: [heads, h, w] float32; at each place the weight of the key
        there for the query in its column (height axis) or row (width axis).
      query: row (or column) of the queries in the feature map.
      strides_px: (y, x), from place to place of the feature map; the place
        (i, j) lies at the pixel (i * y, j * x).
    """

    weights: np.ndarray
    query: int
    strides_px: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class BlockMaps:
    """Attention of one block over an image."""

    name: str
    height: AxisMaps
    width: AxisMaps

    def two_hops(self) -> np.ndarray:
        """What reaches one pixel by both axes, [h, w], summing to 1.

        The pixel is where the row of queries of the height axis and the column
        of those of the width axis meet. Its row collects along the width what
        each place of it had collected along the height (section 3.3 of the
        paper: both together attend to the whole map). Heads are averaged.
        """
        along_height = self.height.weights.mean(axis=0)
        rows = self.width.weights.shape[1]
        row = min(self.height.query * rows // along_height.shape[0], rows - 1)
        return along_height * self.width.weights[:, row].mean(axis=0)


def attention_blocks(model: tf_keras.Model) -> dict[str, AxialAttention2D]:
    """Height and width attention by name of the block, in calling order.

    The name is that of the layer around it, such as "res4_block1".

    Raises:
      ValueError: there is none.
    """
    owners = {
        part: owner.name
        for owner in (model, *model.submodules)
        for part in vars(owner).values()
        if isinstance(part, AxialAttention2D)
    }
    block_of_layer = {block.height: block for block in owners}
    with recorded_inputs() as record:
        model(tf.zeros([1, 32, 32, 3]), training=False)
    # Each once: a model that is not built yet makes a call of its own.
    called = dict.fromkeys(
        block_of_layer[layer] for layer, _ in record if layer in block_of_layer
    )
    if not called:
        raise ValueError(f"The model {model.name!r} has no axial attention.")
    names = [owners[block] for block in called]
    numbered = (
        f"{name}_{names[:index].count(name) + 1}"
        if names.count(name) > 1
        else name
        for index, name in enumerate(names)
    )
    return dict(zip(numbered, called, strict=True))


class BlockAttention:
    """Attention of a block, image after image.

    Args:
      model: built, of images [B, H, W, 3].
      block: a name of `attention_blocks`; empty: the last one.
      traced: runs the model as a graph, which pays from a few images on.

    Raises:
      ValueError: there is no such block.
    """

    def __init__(
        self, model: tf_keras.Model, block: str = "", traced: bool = False
    ):
        blocks = attention_blocks(model)
        self.name = block or list(blocks)[-1]
        if self.name not in blocks:
            raise ValueError(
                f"The model has no block {block!r}; it has {', '.join(blocks)}."
            )
        attention = blocks[self.name]
        self._layers = attention.height, attention.width

        def inputs(image: tf.Tensor) -> list[tf.Tensor]:
            with recorded_inputs() as record:
                model(image[tf.newaxis], training=False)
            by_layer = dict(record)
            return [by_layer[layer] for layer in self._layers]

        self._inputs = inputs
        if traced:
            shape = tf.TensorSpec([None, None, 3])
            self._inputs = tf.function(inputs, [shape], autograph=False)

    def maps(self, image: np.ndarray, row_px: int, column_px: int) -> BlockMaps:
        """Attention for the queries of one row and of one column.

        Args:
          image: [H, W, 3] in 0..255.
          row_px: row of the queries that attend along their columns.
          column_px: column of the queries that attend along their rows.

        Raises:
          ValueError: there is no such row or column.
        """
        for name, place, size in (
            ("row", row_px, image.shape[0]),
            ("column", column_px, image.shape[1]),
        ):
            if not 0 <= place < size:
                raise ValueError(
                    f"The {name} must be 0 to {size - 1}; got {place}."
                )
        inputs = self._inputs(tf.cast(image, tf.float32))
        along_height, along_width = (
            _axis_maps(layer, x, image.shape[:2], place)
            for layer, x, place in zip(
                self._layers, inputs, (row_px, column_px), strict=True
            )
        )
        return BlockMaps(self.name, along_height, along_width)


def _axis_maps(
    layer: AxialAttention,
    x: tf.Tensor,
    image_size_px: tuple[int, int],
    place_px: int,
) -> AxisMaps:
    sizes = tuple(x.shape[1:3])
    strides = tuple(map(_stride_px, image_size_px, sizes))
    axis = ("height", "width").index(layer.axis)
    query = min(round(place_px / strides[axis]), sizes[axis] - 1)
    weights = layer.attention_weights(x, [query])[0, :, 0]
    return AxisMaps(weights.numpy(), query, strides)


def _stride_px(image_px: int, places: int) -> float:
    """Distance of the places of a feature map along one side of the image.

    Strided layers keep every second place from the first one on. A map of
    another size is one that was resized corner to corner.
    """
    stride = 1
    while -(-image_px // stride) > places:
        stride *= 2
    if -(-image_px // stride) == places:
        return stride
    return (image_px - 1) / max(places - 1, 1)
