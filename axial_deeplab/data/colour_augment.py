"""Changes of colour that leave the labels alone.

Two published recipes: the five sub-policies of DeepLab2's "simple" policy,
and the photometric distortion of SegNeXt's recipes. Images are uint8
[H, W, 3], before padding; one seed gives one result.
"""

from collections.abc import Callable

import tensorflow as tf

_Operation = Callable[[tf.Tensor], tf.Tensor]


def simple_policy(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One of five pairs of operations, each done with its own probability.

    Sharpness, colour, contrast and brightness blend with a plainer image; the
    numbers are the share that is left of the image.
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    choice = tf.random.stateless_uniform(
        [], seeds[0], 0, len(_SIMPLE_POLICY), tf.int32
    )

    def branch(policy) -> Callable[[], tf.Tensor]:
        def changed() -> tf.Tensor:
            result = image
            for part, (operation, probability) in enumerate(policy, start=1):
                result = _sometimes(operation, probability, result, seeds[part])
            return result

        return changed

    return tf.switch_case(choice, [branch(one) for one in _SIMPLE_POLICY])


def photometric_distortion(image: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Brightness, contrast, saturation and hue, each every second time.

    Brightness moves by up to 32, contrast and saturation are multiplied by
    0.5 to 1.5, hue turns by less than 36 degrees in steps of 2. Contrast comes
    before or after saturation and hue. Values are clipped to 0..255 and cut to
    whole numbers after each step but between saturation and hue.
    """
    seeds = tf.random.experimental.stateless_split(seed, 9)

    def often(index: int) -> tf.Tensor:
        return tf.random.stateless_uniform([], seeds[index]) < 0.5

    def between(index: int, low: float, high: float) -> tf.Tensor:
        return tf.random.stateless_uniform([], seeds[index], low, high)

    def contrasted(values: tf.Tensor) -> tf.Tensor:
        factor = between(4, 0.5, 1.5)
        return tf.cond(
            often(3), lambda: _whole(values * factor), lambda: values
        )

    result = tf.cast(image, tf.float32)
    delta = between(1, -32.0, 32.0)
    result = tf.cond(often(0), lambda: _whole(result + delta), lambda: result)
    early = often(2)
    result = tf.cond(early, lambda: contrasted(result), lambda: result)
    factor = tf.where(often(5), between(6, 0.5, 1.5), 1.0)
    turn = tf.random.stateless_uniform([], seeds[8], -18, 18, tf.int32)
    turn = tf.where(often(7), turn, 0)
    result = _turned(result, factor, turn)
    result = tf.cond(early, lambda: result, lambda: contrasted(result))
    return tf.cast(result, tf.uint8)


def _turned(values, factor: tf.Tensor, turn: tf.Tensor) -> tf.Tensor:
    """Saturation times `factor`, hue plus `turn` half degrees of 180."""

    def changed() -> tf.Tensor:
        hue, saturation, value = tf.unstack(
            tf.image.rgb_to_hsv(values / 255.0), axis=-1
        )
        hue = tf.math.floormod(hue + tf.cast(turn, tf.float32) / 180.0, 1.0)
        saturation = tf.minimum(saturation * factor, 1.0)
        turned = tf.stack([hue, saturation, value], axis=-1)
        # The slack keeps whole numbers from losing one on the way.
        return _whole(tf.image.hsv_to_rgb(turned) * 255.0 + 1e-3)

    stays = (factor == 1.0) & (turn == 0)
    return tf.cond(stays, lambda: values, changed)


def _whole(values: tf.Tensor) -> tf.Tensor:
    return tf.floor(tf.clip_by_value(values, 0.0, 255.0))


def _sometimes(operation, probability: float, image, seed) -> tf.Tensor:
    if not probability:
        return image
    done = tf.random.stateless_uniform([], seed) < probability
    return tf.cond(done, lambda: operation(image), lambda: image)


def _blend(plain: tf.Tensor, image: tf.Tensor, share: float) -> tf.Tensor:
    """`plain` + share (image - plain), cut to uint8."""
    image = tf.cast(image, tf.float32)
    return tf.cast(_whole(plain + share * (image - plain)), tf.uint8)


def brightness(image: tf.Tensor, share: float) -> tf.Tensor:
    """Blends with black."""
    return _blend(0.0, image, share)


def colour(image: tf.Tensor, share: float) -> tf.Tensor:
    """Blends with grey of the same luminance."""
    grey = tf.image.rgb_to_grayscale(image)
    return _blend(tf.cast(grey, tf.float32), image, share)


def contrast(image: tf.Tensor, share: float) -> tf.Tensor:
    """Blends with the grey H W / 256, at most 255, as the recipe does.

    That is white for any but tiny images, not their mean.
    """
    shape = tf.shape(image)
    grey = tf.cast(shape[0] * shape[1], tf.float32) / 256.0
    return _blend(tf.minimum(tf.floor(grey), 255.0), image, share)


def sharpness(image: tf.Tensor, share: float) -> tf.Tensor:
    """Blends with a 3x3 mean whose center counts five times; border stays."""
    rows = tf.constant([[1, 1, 1], [1, 5, 1], [1, 1, 1]], tf.float32) / 13.0
    kernel = tf.tile(rows[:, :, None, None], [1, 1, 3, 1])
    pixels = tf.cast(image, tf.float32)[None]
    mean = tf.nn.depthwise_conv2d(pixels, kernel, [1, 1, 1, 1], "VALID")
    inner = _blend(_whole(mean[0]), image[1:-1, 1:-1], share)
    rows = [image[1:-1, :1], inner, image[1:-1, -1:]]
    return tf.concat([image[:1], tf.concat(rows, axis=1), image[-1:]], axis=0)


def solarize(image: tf.Tensor, threshold: int) -> tf.Tensor:
    """Inverts all values from `threshold` on."""
    # To invert is to turn all bits: much faster than to choose.
    inverted = tf.cast(image >= threshold, tf.uint8) * 255
    return tf.bitwise.bitwise_xor(image, inverted)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Spreads the values of each channel evenly over 0..255, as Pillow does."""
    # The values of the three channels in a row: 0.., 256.., 512...
    values = tf.cast(image, tf.int32) + [0, 256, 512]
    flat = tf.reshape(values, [-1])
    counts = tf.math.bincount(flat, minlength=768, maxlength=768)
    counts = tf.reshape(counts, [3, 256])
    tables = tf.concat([_equal_table(counts[i]) for i in range(3)], axis=0)
    return tf.gather(tables, values)


def _equal_table(counts: tf.Tensor) -> tf.Tensor:
    """What becomes of the values 0 to 255 that occur so often, uint8 [256]."""
    largest = tf.reduce_max(tf.where(counts > 0))
    step = (tf.reduce_sum(counts) - counts[largest]) // 255
    below = tf.cumsum(counts, exclusive=True)
    table = (below + step // 2) // tf.maximum(step, 1)
    table = tf.cast(tf.clip_by_value(table, 0, 255), tf.uint8)
    return tf.where(step == 0, tf.cast(tf.range(256), tf.uint8), table)


# Pairs of (operation, probability), at a fifth of AutoAugment's magnitudes.
_SIMPLE_POLICY: tuple[tuple[tuple[_Operation, float], ...], ...] = (
    (
        (lambda image: sharpness(image, 0.352), 0.4),
        (lambda image: brightness(image, 0.46), 0.2),
    ),
    ((equalize, 0.0), (lambda image: contrast(image, 0.46), 0.2)),
    (
        (lambda image: sharpness(image, 0.424), 0.2),
        (lambda image: colour(image, 0.424), 0.2),
    ),
    ((lambda image: solarize(image, 35), 0.2), (equalize, 0.6)),
    ((lambda image: sharpness(image, 0.136), 0.2), (equalize, 0.2)),
)

# What an `Augmentation` may name.
COLOUR_AUGMENTATIONS: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "simple_policy": simple_policy,
    "photometric_distortion": photometric_distortion,
}
