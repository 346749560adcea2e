"""Pictures of panoptic maps and of training.

Maps are int32 [H, W] of `class * label_divisor + instance`; pictures are
uint8 RGB arrays. matplotlib is imported where it is needed only: importing
this file stays cheap.
"""

import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from axial_deeplab.data.dataset_specs import DatasetSpec

_BORDER_COLOUR = (255, 255, 255)
_VOID_COLOUR = (0, 0, 0)
_TINT = 50
_GOLDEN_RATIO = 0.6180339887498949
_CAPTION_PX, _GAP_PX = 16, 4
_PLACES = 256  # along the shorter side, where a name may stand


def colour_panoptic(panoptic_map: np.ndarray, spec: DatasetSpec) -> np.ndarray:
    """The map in colours, uint8 [H, W, 3].

    Stuff and crowd have the colour of their class, each instance another tint
    of it; white lines part the segments, void is black.

    Raises:
      ValueError: not two axes, or a class that the data set does not have.
    """
    colours = _segment_colours(panoptic_map, spec)
    colours[_borders(panoptic_map)] = _BORDER_COLOUR
    return colours


def overlay(
    image: np.ndarray,
    panoptic_map: np.ndarray,
    spec: DatasetSpec,
    alpha: float = 0.5,
) -> np.ndarray:
    """The image with the coloured map laid over it, uint8 [H, W, 3].

    Args:
      image: [H, W, 3] in 0..255.
      panoptic_map: in the size of the image; void leaves the image as it is.
      spec: the data set of the map.
      alpha: weight of the map, 0 to 1. Lines between segments are opaque.

    Raises:
      ValueError: image and map differ in size.
    """
    if image.shape != (*panoptic_map.shape, 3):
        raise ValueError(
            "Image and panoptic map must have one size; got "
            f"{list(image.shape)} and {list(panoptic_map.shape)}."
        )
    colours = _segment_colours(panoptic_map, spec)
    labelled = (panoptic_map != spec.void_id)[..., None]
    weight = alpha * labelled
    mixed = np.rint((1 - weight) * image + weight * colours)
    mixed[_borders(panoptic_map)] = _BORDER_COLOUR
    return mixed.astype(np.uint8)


def name_segments(
    picture: np.ndarray, panoptic_map: np.ndarray, spec: DatasetSpec
) -> np.ndarray:
    """The picture with the class name of each segment large enough for it.

    Args:
      picture: uint8 [H, W, 3], such as an overlay.
      panoptic_map: [H, W].
      spec: the data set of the map.
    """
    named = Image.fromarray(np.ascontiguousarray(picture))
    draw = ImageDraw.Draw(named)
    step = max(1, min(panoptic_map.shape) // _PLACES)
    coarse = panoptic_map[::step, ::step]
    for panoptic_id in np.unique(coarse):
        class_id = int(panoptic_id) // spec.label_divisor
        if class_id == spec.ignore_label:
            continue
        name = spec.class_by_id[class_id].name
        rows, columns = np.nonzero(coarse == panoptic_id)
        top, left = rows.min(), columns.min()
        box = coarse[top : rows.max() + 1, left : columns.max() + 1]
        height, width = box.shape[0] * step, box.shape[1] * step
        if width < _font().getlength(name) or height < _CAPTION_PX:
            continue
        room = _room(box == panoptic_id)
        place = np.unravel_index(room.argmax(), room.shape)
        y, x = int(top + place[0]) * step, int(left + place[1]) * step
        colours = {"fill": "white", "stroke_fill": "black"}
        draw.text(
            (x, y), name, font=_font(), anchor="mm", stroke_width=1, **colours
        )
    return np.asarray(named)


def contact_sheet(
    rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    spec: DatasetSpec,
    scale: int = 1,
) -> np.ndarray:
    """Rows of image | truth | prediction with a legend, uint8 RGB.

    Args:
      rows: image [H, W, 3], true and predicted panoptic map [H, W] each; sizes
        may differ from row to row.
      spec: the data set of the maps.
      scale: whole-number magnification, for small scenes.
    """
    pictures = [
        [
            _magnified(picture, scale)
            for picture in (
                np.asarray(image, np.uint8),
                colour_panoptic(truth, spec),
                colour_panoptic(predicted, spec),
            )
        ]
        for image, truth, predicted in rows
    ]
    maps = [one for row in rows for one in row[1:]]
    return picture_sheet(pictures, ("image", "truth", "prediction"), maps, spec)


def picture_sheet(
    rows: Sequence[Sequence[np.ndarray]],
    captions: Sequence[str],
    maps: Sequence[np.ndarray],
    spec: DatasetSpec,
) -> np.ndarray:
    """Rows of pictures below captions, and a legend of classes, uint8 RGB.

    Args:
      rows: pictures uint8 [H, W, 3], of one size in a row.
      captions: one a column.
      maps: panoptic maps [H, W], whose classes the legend names.
      spec: the data set of the maps.
    """
    width = max(row[0].shape[1] for row in rows) + _GAP_PX
    heights = [row[0].shape[0] + _GAP_PX for row in rows]
    legend = _legend(maps, spec, len(captions) * width)
    top = _CAPTION_PX
    size = len(captions) * width, top + sum(heights) + legend.height
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for column, caption in enumerate(captions):
        draw.text((column * width + 2, 2), caption, "black", _font())
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (column * width, top))
        top += height
    sheet.paste(legend, (0, top))
    return np.asarray(sheet)


def training_curves(
    history: Mapping[str, Sequence[tuple[float, float]]],
    path: str | os.PathLike,
) -> None:
    """Plots each entry of `history` in a panel of its own, as a PNG.

    Args:
      history: (step, value) pairs by the name of what was measured.
      path: file to write, whole or not at all.

    Raises:
      ValueError: there is nothing to plot.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not history:
        raise ValueError("There are no training curves to plot.")
    columns = min(3, len(history))
    rows = -(-len(history) // columns)
    # Without pyplot, a caller's choice of backend stays as it is.
    figure = Figure(figsize=(4.5 * columns, 3 * rows), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (name, points) in zip(panels, history.items(), strict=False):
        steps, values = zip(*points, strict=True) if points else ((), ())
        marker = "o" if len(steps) < 30 else None
        panel.plot(steps, values, marker=marker, markersize=3)
        panel.set_title(name)
        panel.set_xlabel("step")
        panel.grid(alpha=0.3)
    for panel in panels[len(history) :]:
        panel.set_axis_off()
    canvas.draw()
    write_png(path, np.asarray(canvas.buffer_rgba())[..., :3])


def write_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes a picture, uint8 [H, W, 3], whole or not at all."""
    path = pathlib.Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        Image.fromarray(np.ascontiguousarray(picture)).save(partial, "PNG")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _segment_colours(panoptic_map, spec) -> np.ndarray:
    if panoptic_map.ndim != 2:
        raise ValueError(
            f"A panoptic map is [H, W]; got {list(panoptic_map.shape)}."
        )
    ids, inverse = np.unique(panoptic_map, return_inverse=True)
    table = np.array([_colour(int(i), spec) for i in ids], np.uint8)
    return table.reshape(-1, 3)[inverse].reshape(*panoptic_map.shape, 3)


def _colour(panoptic_id: int, spec: DatasetSpec) -> np.ndarray:
    class_id, instance = divmod(panoptic_id, spec.label_divisor)
    if class_id == spec.ignore_label:
        return np.array(_VOID_COLOUR)
    if class_id not in spec.class_by_id:
        raise ValueError(
            f"The panoptic id {panoptic_id} has the class {class_id}, which "
            f"{spec.name} does not have."
        )
    colour = np.array(spec.class_by_id[class_id].colour, float)
    if not instance:
        return colour.astype(np.uint8)
    # Steps of the golden ratio around the colour circle: any few consecutive
    # instances lie far apart. A colour near black or white is moved inwards.
    phase = instance * _GOLDEN_RATIO + np.array([0, 1, 2]) / 3
    colour = np.clip(colour, _TINT / 2, 255 - _TINT / 2)
    tinted = colour + _TINT * np.cos(2 * np.pi * phase)
    return np.clip(np.rint(tinted), 0, 255).astype(np.uint8)


def _room(mask: np.ndarray) -> np.ndarray:
    """How much room a name has around each pixel of a mask [H, W]; 0 outside.

    Along the row a third of it counts: names are wider than high.
    """
    return np.minimum(_to_border(mask) / 3, _to_border(mask.T).T)


def _to_border(mask: np.ndarray) -> np.ndarray:
    """Distance to the nearest end of the row's run of pixels, [H, W]."""
    inside = np.pad(mask, ((0, 0), (1, 1)))
    place = np.arange(inside.shape[1])
    before = np.maximum.accumulate(np.where(inside, 0, place), axis=1)
    after = np.where(inside, place[-1], place)[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    return np.minimum(place - before, after - place)[:, 1:-1]


def _borders(panoptic_map: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour is of another segment."""
    borders = np.zeros(panoptic_map.shape, bool)
    borders[:, :-1] |= panoptic_map[:, :-1] != panoptic_map[:, 1:]
    borders[:-1] |= panoptic_map[:-1] != panoptic_map[1:]
    return borders


def _magnified(picture: np.ndarray, scale: int) -> np.ndarray:
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def _legend(maps, spec: DatasetSpec, width_px: int) -> Image.Image:
    """The colours of the classes that occur, with their names."""
    present = {
        int(value) // spec.label_divisor
        for one in maps
        for value in np.unique(one)
    }
    entries = [
        (spec.class_by_id[i].name, spec.class_by_id[i].colour)
        for i in sorted(present - {spec.ignore_label})
    ]
    entries.append(("void", _VOID_COLOUR))
    places, x, y = [], 0, 0
    for name, _ in entries:
        length = _CAPTION_PX + int(_font().getlength(name)) + 3 * _GAP_PX
        if x and x + length > width_px:
            x, y = 0, y + _CAPTION_PX
        places.append((x, y))
        x += length
    legend = Image.new("RGB", (width_px, y + _CAPTION_PX), "white")
    draw = ImageDraw.Draw(legend)
    for (name, colour), (x, y) in zip(entries, places, strict=True):
        box = (x + 2, y + 3, x + _CAPTION_PX - 4, y + _CAPTION_PX - 3)
        draw.rectangle(box, fill=tuple(colour), outline="black")
        draw.text((x + _CAPTION_PX, y + 2), name, "black", _font())
    return legend


def _font() -> ImageFont.ImageFont:
    return ImageFont.load_default(10)
