"""Pictures of axial attention, as Figures 7 and 8 of arXiv:2003.07853.

matplotlib is imported where it is needed only, as in `visualization`.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from axial_deeplab.models.attention_blocks import AxisMaps, BlockMaps

# Those of matplotlib.
_Figure, _Axes = Any, Any

_DPI = 140
_PANELS_A_LINE = 4
_PANEL_INCHES, _IMAGE_ZOOM = 2.2, 1.5
_MARGIN, _GAP, _CAPTION, _LEGEND = 0.2, 0.1, 0.25, 1.1
_TITLE, _HEADING, _BETWEEN_PARTS = 0.45, 0.25, 0.15
_QUERY_COLOUR, _KEY_COLOUR = "#1560d4", (0.84, 0.04, 0.12)
# The image becomes grey and pale, so that the colours above stand out.
_GREY_WEIGHTS, _PALENESS = (0.299, 0.587, 0.114), 0.55
_HEADINGS = {
    "height": "Column attention: each pixel of the blue row to its column",
    "width": "Row attention: each pixel of the blue column to its row",
}


def attention_picture(
    image: np.ndarray, maps: BlockMaps, model_name: str
) -> np.ndarray:
    """The image beside the attention of all heads, uint8 [H, W, 3].

    Each panel is a head. Blue: the line of the queries; red: the weights of
    the keys, as strong as their share of the head's largest weight.

    Args:
      image: [H, W, 3] in 0..255, that of the maps.
      maps: what to draw.
      model_name: for the title.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    page = _Page(image.shape[:2], len(maps.height.weights))
    figure = Figure(page.size, dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    page.write(figure, _MARGIN, _MARGIN, _title(maps, model_name), 13)
    _draw_image(figure, page, image, maps)
    pale = _pale(image)
    for part, axis in enumerate(("height", "width")):
        left, top = page.heading(part)
        page.write(figure, left, top, _HEADINGS[axis], 11)
        for head in range(page.heads):
            panel = page.panel(figure, part, head)
            _draw_head(panel, pale, getattr(maps, axis), axis, head)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def two_hop_picture(image: np.ndarray, maps: BlockMaps) -> np.ndarray:
    """The image, pale, under what reaches one pixel, uint8 [H, W, 3].

    Red: the weight of each place, as a share of the largest; blue: the pixel.
    """
    weights = maps.two_hops()
    y, x = maps.height.strides_px
    rows, columns = (
        np.minimum((np.arange(size) / stride + 0.5).astype(int), places - 1)
        for size, stride, places in zip(
            image.shape[:2], (y, x), weights.shape, strict=True
        )
    )
    # The root makes small weights visible.
    shares = np.sqrt(weights / max(weights.max(), math.ulp(0)))
    strength = shares[rows][:, columns, np.newaxis]
    colour = 255 * np.array(_KEY_COLOUR)
    picture = (1 - strength) * _pale(image) + strength * colour
    _mark(picture, _query_px(maps.height, 0), _query_px(maps.width, 1))
    return np.rint(picture).astype(np.uint8)


def _mark(picture: np.ndarray, row: float, column: float) -> None:
    """Draws a blue ring around a pixel."""
    height, width = picture.shape[:2]
    radius = max(height, width) / 50 + 1
    y, x = np.ogrid[:height, :width]
    distance = np.hypot(y - row, x - column)
    ring = (distance >= radius - 1) & (distance < radius + 1)
    picture[ring] = [int(_QUERY_COLOUR[i : i + 2], 16) for i in (1, 3, 5)]


@dataclasses.dataclass(frozen=True)
class _Page:
    """Where everything goes, in inches from the upper left corner."""

    image_size_px: tuple[int, int]
    heads: int

    @property
    def panel_size(self) -> tuple[float, float]:
        """Width and height of a head's panel, wide enough for its caption."""
        height, width = self.image_size_px
        scale = _PANEL_INCHES / max(height, width)
        return max(width * scale, 1.3), max(height * scale, 0.3)

    @property
    def image_size(self) -> tuple[float, float]:
        """Width and height of the large image, wide enough for the legend."""
        width, height = self.panel_size
        return max(width * _IMAGE_ZOOM, 2.6), height * _IMAGE_ZOOM

    @property
    def columns(self) -> int:
        return min(self.heads, _PANELS_A_LINE)

    @property
    def part_height(self) -> float:
        """That of all panels of an axis with their heading."""
        lines = -(-self.heads // self.columns)
        panels = lines * (_CAPTION + self.panel_size[1] + _GAP)
        return _HEADING + panels + _BETWEEN_PARTS

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the picture."""
        width = self.image_size[0] + 3 * _MARGIN
        width += self.columns * (self.panel_size[0] + _GAP)
        image = _HEADING + _CAPTION + self.image_size[1] + _LEGEND
        below_title = max(2 * self.part_height - _BETWEEN_PARTS, image)
        return width, below_title + _TITLE + 2 * _MARGIN

    def heading(self, part: int) -> tuple[float, float]:
        """Left and top of the heading of the height (0) or width (1) axis."""
        top = _MARGIN + _TITLE + part * self.part_height
        return self.image_size[0] + 2 * _MARGIN, top

    def panel(self, figure: _Figure, part: int, head: int) -> _Axes:
        """The axes of a head."""
        left, top = self.heading(part)
        width, height = self.panel_size
        line, column = divmod(head, self.columns)
        left += column * (width + _GAP)
        top += _HEADING + line * (_CAPTION + height + _GAP) + _CAPTION
        return self.axes(figure, left, top, width, height)

    def axes(
        self,
        figure: _Figure,
        left: float,
        top: float,
        width: float,
        height: float,
    ) -> _Axes:
        """New axes at a place."""
        across, down = self.size
        return figure.add_axes(
            (
                left / across,
                1 - (top + height) / down,
                width / across,
                height / down,
            )
        )

    def write(
        self, figure: _Figure, left: float, top: float, text: str, size: float
    ) -> None:
        """Text whose upper left corner is at a place."""
        across, down = self.size
        figure.text(left / across, 1 - top / down, text, size=size, va="top")


def _title(maps: BlockMaps, model_name: str) -> str:
    sizes = [axis.weights.shape[1:] for axis in (maps.height, maps.width)]
    texts = dict.fromkeys(f"{height}x{width}" for height, width in sizes)
    return f"{model_name}, block {maps.name}, maps of {' and '.join(texts)}"


def _draw_image(
    figure: _Figure, page: _Page, image: np.ndarray, maps: BlockMaps
) -> None:
    """The image with both lines of queries, and the legend below it."""
    top = page.heading(0)[1] + _HEADING + _CAPTION
    width, height = page.image_size
    panel = page.axes(figure, _MARGIN, top, width, height)
    panel.imshow(image)
    panel.set_axis_off()
    row, column = _query_px(maps.height, 0), _query_px(maps.width, 1)
    panel.axhline(row, color=_QUERY_COLOUR, linewidth=2)
    panel.axvline(column, color=_QUERY_COLOUR, linewidth=2)
    panel.set_title(f"queries: row {row:g}, column {column:g}", size=10)
    shares = np.linspace(0, 1, 200)[None, :, None]
    colours = (1 - shares) + shares * np.array(_KEY_COLOUR)
    scale = page.axes(figure, _MARGIN, top + height + 0.45, width, 0.15)
    scale.imshow(colours, aspect="auto", extent=(0, 1, 0, 1))
    scale.set_yticks([])
    scale.set_xticks([0, 0.5, 1])
    scale.set_title("weight of a key / largest of the head", size=9)
    scale.tick_params(labelsize=8)


def _query_px(maps: AxisMaps, side: int) -> float:
    """Row (side 0) or column (1) of the queries in the image."""
    return maps.query * maps.strides_px[side]


def _draw_head(
    panel: _Axes, image: np.ndarray, maps: AxisMaps, axis: str, head: int
) -> None:
    """One head's weights over the image, and the line of its queries."""
    panel.imshow(image)
    limits = {"xlim": panel.get_xlim(), "ylim": panel.get_ylim()}
    weights = maps.weights[head]
    largest = max(weights.max(), math.ulp(0))
    colours = np.empty((*weights.shape, 4))
    colours[..., :3], colours[..., 3] = _KEY_COLOUR, weights / largest
    panel.imshow(colours, extent=_extent(maps), interpolation="nearest")
    panel.set(**limits)
    panel.set_axis_off()
    if axis == "height":
        panel.axhline(_query_px(maps, 0), color=_QUERY_COLOUR, linewidth=1)
    else:
        panel.axvline(_query_px(maps, 1), color=_QUERY_COLOUR, linewidth=1)
    panel.set_title(f"head {head + 1}, largest {largest:.2f}", size=9, pad=3)


def _extent(maps: AxisMaps) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a feature map, in pixels of the image."""
    height, width = maps.weights.shape[1:]
    y, x = maps.strides_px
    return -x / 2, (width - 0.5) * x, (height - 0.5) * y, -y / 2


def _pale(image: np.ndarray) -> np.ndarray:
    grey = np.tensordot(image, _GREY_WEIGHTS, 1)
    pale = np.rint(255 - (1 - _PALENESS) * (255 - grey))
    return np.repeat(pale[..., None], 3, axis=2).astype(np.uint8)
