"""Synthetic panoptic scenes: shaded geometric things on textured stuff.

Everything a panoptic system must tell apart is in them: classes known by
outline (things) and by texture (stuff), whose colours are typical, as those of
grass and sky are, but no proof; several instances of one class that touch and
occlude each other, shapes cut by the border, and an unlabelled blob. Only
uniform random numbers are drawn, so one seed gives one scene on every machine.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from axial_deeplab.data.dataset_specs import dataset_spec

# Sizes are for a scene whose shorter side has this length; they grow with it.
_REFERENCE_SIDE_PX = 97
_MIN_SIDE_PX = 32
_MIN_VISIBLE_PX = 40
# Roughly what every shape fills of the square that its size spans, and how
# much of that must be left to see.
_SHARE_OF_SQUARE = 0.6
_MIN_VISIBLE_SHARE = 0.45
_PLACING_ATTEMPTS = 12

_CLASSES = dataset_spec("shapes").classes
_CLASS_ID = {spec.name: spec.id for spec in _CLASSES}
_TYPICAL_COLOUR = {spec.name: np.array(spec.colour) for spec in _CLASSES}
# How far a colour channel strays from what is typical of its class.
_COLOUR_SPREAD = 55
_DIVISOR = dataset_spec("shapes").label_divisor
_VOID = dataset_spec("shapes").void_id
_THING_NAMES = ("disc", "triangle", "square", "star", "ring")
_STUFF_NAMES = ("stripes", "checks", "dots", "grain")


@dataclasses.dataclass(frozen=True)
class _Thing:
    """A drawn thing: its class, where it was drawn, and its shaded colour."""

    name: str
    center_yx: tuple[float, float]
    size_px: float
    mask: np.ndarray  # bool [H, W]
    colour: np.ndarray  # float [H, W, 3]


def render_scene(
    seed: int | Sequence[int] | np.random.Generator,
    size_px: tuple[int, int] = (97, 97),
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one scene of the `shapes` data set.

    Two to six things of one to three classes lie on two or three regions of
    stuff. Nearly half of each thing stays visible; remnants become void.

    Returns:
      The image, uint8 [H, W, 3], and its panoptic map, int32 [H, W].

    Raises:
      ValueError: a side is too short to hold things that can be recognised.
    """
    height, width = size_px
    if min(height, width) < _MIN_SIDE_PX:
        raise ValueError(
            f"A scene needs sides of at least {_MIN_SIDE_PX} px; got "
            f"{height}x{width}."
        )
    rng = np.random.default_rng(seed)
    scale = min(height, width) / _REFERENCE_SIDE_PX
    grid = np.stack(np.mgrid[:height, :width]).astype(np.float64)
    image, panoptic = _stuff(rng, grid, scale)
    _draw_void(rng, grid, scale, image, panoptic)
    _draw_things(_place_things(rng, grid, scale), image, panoptic)
    _hide_remnants(panoptic, _MIN_VISIBLE_PX * scale**2)
    return _expose(rng, image), panoptic


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(rng.random())


def _draw_distinct(rng, names: Sequence[str], count: int) -> list[str]:
    order = np.argsort(rng.random(len(names)), kind="stable")
    return [names[index] for index in order[:count]]


def _rotated(grid: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = math.cos(angle), math.sin(angle)
    y, x = grid
    return cosine * y - sine * x, sine * y + cosine * x


def _colour_like(rng, name: str) -> np.ndarray:
    return _TYPICAL_COLOUR[name] + _COLOUR_SPREAD * (2 * rng.random(3) - 1)


# Stuff ----------------------------------------------------------------------


def _stuff(rng, grid, scale) -> tuple[np.ndarray, np.ndarray]:
    """Wavy Voronoi regions, each of another texture: image and labels."""
    count = 2 + int(rng.random() < 0.5)
    names = _draw_distinct(rng, _STUFF_NAMES, count)
    y, x = grid
    wave = _uniform(rng, 12, 20) * scale
    warped_y = y + 4 * scale * np.sin(x / wave + _uniform(rng, 0, 6))
    warped_x = x + 4 * scale * np.sin(y / wave + _uniform(rng, 0, 6))
    height, width = y.shape
    middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
    start = _uniform(rng, 0, 2 * math.pi)
    distances = []
    for index in range(count):
        angle = start + 2 * math.pi * index / count
        radius = _uniform(rng, 0.15, 0.35)
        seed_y = middle_y + radius * height * math.sin(angle)
        seed_x = middle_x + radius * width * math.cos(angle)
        distances.append(np.hypot(warped_y - seed_y, warped_x - seed_x))
    region = np.argmin(distances, axis=0)
    textures = np.stack([_texture(rng, n, grid, scale) for n in names])
    image = np.take_along_axis(textures, region[None, ..., None], axis=0)[0]
    labels = np.array([_CLASS_ID[name] * _DIVISOR for name in names], np.int32)
    return image, labels[region]


def _texture(rng, name, grid, scale) -> np.ndarray:
    """Two colours mixed by the pattern of the class, [H, W, 3]."""
    angle, period = _uniform(rng, 0, math.pi), _uniform(rng, 7, 10) * scale
    v, u = _rotated(grid, angle)
    v, u = (v / period + rng.random()) % 1, (u / period + rng.random()) % 1
    if name == "stripes":
        share = (u < 0.5).astype(np.float64)
    elif name == "checks":
        share = ((u < 0.5) ^ (v < 0.5)).astype(np.float64)
    elif name == "dots":
        share = (np.hypot(u - 0.5, v - 0.5) < 0.3).astype(np.float64)
    else:
        share = rng.random(grid.shape[1:])
    first = _colour_like(rng, name)
    contrast = _uniform(rng, 55, 95) * (1 if first.mean() < 128 else -1)
    second = first + contrast + 40 * (rng.random(3) - 0.5)
    return first + share[..., None] * (second - first)


def _draw_void(rng, grid, scale, image, panoptic):
    """Lays one unlabelled blob of 3 to 7 % of the scene on the stuff."""
    height, width = panoptic.shape
    area = _uniform(rng, 0.03, 0.07) * height * width
    y = grid[0] - _uniform(rng, 0.1, 0.9) * height
    x = grid[1] - _uniform(rng, 0.1, 0.9) * width
    lobes = 2 + int(3 * rng.random())
    angle = np.arctan2(y, x)
    outline = 1 + 0.35 * np.sin(lobes * angle + _uniform(rng, 0, 6))
    outline += 0.15 * np.sin((lobes + 3) * angle + _uniform(rng, 0, 6))
    mask = np.hypot(y, x) < math.sqrt(area / math.pi) * outline
    smear = np.sin(grid[0] / (5 * scale)) * np.sin(grid[1] / (7 * scale))
    colour = 90 + 80 * rng.random(3) + 25 * smear[..., None]
    image[mask] = colour[mask]
    panoptic[mask] = _VOID


# Things ---------------------------------------------------------------------


def _place_things(rng, grid, scale) -> list[_Thing]:
    """Things from back to front, none of them nearly hidden."""
    wanted = 2 + int(5 * rng.random())
    names = _draw_distinct(rng, _THING_NAMES, 1 + int(3 * rng.random()))
    largest_px = 45 - 2.5 * (wanted - 2)
    things: list[_Thing] = []
    for index in range(wanted):
        # The first two share a class, so most scenes need instances apart.
        name = names[0] if index < 2 else names[int(len(names) * rng.random())]
        for _ in range(_PLACING_ATTEMPTS):
            size_px = _uniform(rng, 24, largest_px) * scale
            center = _propose_center(rng, grid, things, size_px)
            thing = _thing(rng, name, grid, center, size_px)
            if _all_visible([*things, thing], scale):
                things.append(thing)
                break
    return things


def _propose_center(rng, grid, things, size_px) -> tuple[float, float]:
    """Anywhere, or in half of the cases so close to a thing as to touch it."""
    height, width = grid.shape[1:]
    if things and rng.random() < 0.5:
        near = things[int(len(things) * rng.random())]
        angle = _uniform(rng, 0, 2 * math.pi)
        distance = _uniform(rng, 0.6, 1.0) * (near.size_px + size_px) / 2
        y = near.center_yx[0] + distance * math.sin(angle)
        x = near.center_yx[1] + distance * math.cos(angle)
    else:
        y, x = height * rng.random(), width * rng.random()
    margin = 0.2 * size_px
    return (
        min(max(y, margin), height - 1 - margin),
        min(max(x, margin), width - 1 - margin),
    )


def _thing(rng, name, grid, center_yx, size_px) -> _Thing:
    offset = grid - np.array(center_yx)[:, None, None]
    v, u = _rotated(offset, _uniform(rng, 0, 2 * math.pi))
    depth = _SHAPES[name](v / (size_px / 2), u / (size_px / 2))
    # A dark rim and light from one side, as on a relief.
    angle = _uniform(rng, 0, 2 * math.pi)
    slope = _rotated(offset, angle)[0] / size_px
    shade = 1 + 0.25 * slope - 0.45 * np.clip(depth, 0, 1) ** 6
    colour = np.maximum(_colour_like(rng, name), 40)
    return _Thing(
        name, center_yx, size_px, depth <= 1, shade[..., None] * colour
    )


def _disc(v, u):
    return np.hypot(v, u)


def _ring(v, u):
    return np.abs(np.hypot(v, u) - 0.7) / 0.33


def _polygon(v, u, corners: int, circumradius: float):
    sector = 2 * math.pi / corners
    angle = (np.arctan2(v, u) % sector) - sector / 2
    inradius = circumradius * math.cos(sector / 2)
    return np.hypot(v, u) * np.cos(angle) / inradius


def _triangle(v, u):
    return _polygon(v, u, corners=3, circumradius=1.3)


def _square(v, u):
    return _polygon(v, u, corners=4, circumradius=1.2)


def _star(v, u):
    """Five points: an edge runs from a tip to the notch beside it."""
    tip, notch, sector = 1.3, 0.58, 2 * math.pi / 5
    angle = np.abs((np.arctan2(v, u) % sector) - sector / 2)
    along, across = np.cos(angle), np.sin(angle)
    notch_x = notch * math.cos(sector / 2)
    notch_y = notch * math.sin(sector / 2)
    # On that edge, x * notch_y + y * (tip - notch_x) = tip * notch_y.
    edge = tip * notch_y / (along * notch_y + across * (tip - notch_x))
    return np.hypot(v, u) / edge


# Each maps coordinates in half sizes to a depth: 0 in the middle, 1 on the
# outline, more outside.
_SHAPES = {
    "disc": _disc,
    "triangle": _triangle,
    "square": _square,
    "star": _star,
    "ring": _ring,
}


def _all_visible(things: list[_Thing], scale: float) -> bool:
    """Whether enough of every thing is left in the frame and unoccluded."""
    covered = np.zeros(things[0].mask.shape, bool)
    for thing in reversed(things):
        visible = int((thing.mask & ~covered).sum())
        needed = max(
            _MIN_VISIBLE_PX * scale**2,
            _MIN_VISIBLE_SHARE * _SHARE_OF_SQUARE * thing.size_px**2,
        )
        if visible < needed:
            return False
        covered |= thing.mask
    return True


def _draw_things(things: list[_Thing], image, panoptic):
    count_of_class: dict[str, int] = {}
    for thing in things:
        instance = count_of_class.get(thing.name, 0) + 1
        count_of_class[thing.name] = instance
        image[thing.mask] = thing.colour[thing.mask]
        panoptic[thing.mask] = _CLASS_ID[thing.name] * _DIVISOR + instance


def _hide_remnants(panoptic: np.ndarray, min_px: float):
    """Makes every segment void that is too small to be recognised."""
    for panoptic_id in np.unique(panoptic):
        mask = panoptic == panoptic_id
        if mask.sum() < min_px:
            panoptic[mask] = _VOID


def _expose(rng, image: np.ndarray) -> np.ndarray:
    """Random brightness and noise of the camera; rounds to uint8."""
    brightness = _uniform(rng, 0.8, 1.15)
    noise = 24 * (rng.random(image.shape) - 0.5)
    return np.clip(np.rint(brightness * image + noise), 0, 255).astype(np.uint8)
