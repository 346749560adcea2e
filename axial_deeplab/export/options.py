"""What an export may look like."""

import dataclasses

from axial_deeplab.models.multi_scale import MultiScale
from axial_deeplab.models.sliding_windows import SlidingWindows

WEIGHT_TYPES = ("float32", "float16", "bfloat16")


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """Choices of `export_saved_model`.

    Args:
      with_probabilities: also return the class probabilities.
      multi_scale: scales and flip that every prediction averages over.
      windows_px: (side, stride) of the windows that a semantic model sees, see
        `SlidingWindows`; None: whole images.
      weights_type: how weights are stored; computed with is float32. Halves
        take half the space, and the export cannot be trained on.
      size_px: (height, width) that all images have, for compilers; None takes
        any, and encoded images.
      batch_size: images of each call; needs `size_px`. None takes any.
      max_pixels: larger images are refused.
      with_features: also export the backbone, if the model has one: the
        signature "features", and, unless weights are halves, TF Hub's
        interface to train it. Its weights are then stored beside those that
        predict, whose norms are folded.

    Raises:
      ValueError: an option out of range.
    """

    with_probabilities: bool = False
    multi_scale: MultiScale = MultiScale()
    windows_px: tuple[int, int] | None = None
    weights_type: str = "float32"
    size_px: tuple[int, int] | None = None
    batch_size: int | None = None
    max_pixels: int = 1 << 25
    with_features: bool = True

    def __post_init__(self) -> None:
        if self.weights_type not in WEIGHT_TYPES:
            raise ValueError(
                f"`weights_type` must be one of {', '.join(WEIGHT_TYPES)}; "
                f"got {self.weights_type!r}."
            )
        if self.max_pixels < 2:
            raise ValueError(
                f"`max_pixels` must be at least 2; got {self.max_pixels}."
            )
        if self.windows_px is not None:
            object.__setattr__(self, "windows_px", tuple(self.windows_px))
            SlidingWindows(1, *self.windows_px)  # checks them
        size, batch = self.size_px, self.batch_size
        if batch is not None and (batch < 1 or size is None):
            raise ValueError(
                "`batch_size` must be at least 1, and needs `size_px`; got "
                f"{batch} and {size}."
            )
        if size is None:
            return
        object.__setattr__(self, "size_px", tuple(size))
        if len(size) != 2 or min(size) < 1 or max(size) < 2:
            raise ValueError(
                "`size_px` must be (height, width) of two pixels or more; got "
                f"{tuple(size)}."
            )

    @property
    def image_shape(self) -> list[int | None]:
        """Static [batch, height, width, channels] of images."""
        if self.size_px:
            return [self.batch_size, *self.size_px, 3]
        # Channels are checked, with words, when an image comes.
        return [None, None, None, None]
