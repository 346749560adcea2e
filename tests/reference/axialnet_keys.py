"""Names and shapes of the public Axial-ResNets in PyTorch, 224x224."""

HEADS = 8
_NORM = ("weight", "bias", "running_mean", "running_var")


def state_shapes(blocks, width, classes=1000):
    """Shape by name in the state dictionary."""
    return dict(_shapes(blocks, width, classes))


def _shapes(blocks, width, classes):
    channels, length = round(64 * width), 56
    yield "conv1.weight", (channels, 3, 7, 7)
    yield from _norm("bn1", channels)
    for layer, count in enumerate(blocks, start=1):
        inner = round(64 * 2**layer * width)
        for block in range(count):
            path = f"layer{layer}.{block}"
            yield f"{path}.conv_down.weight", (inner, channels, 1, 1)
            yield from _norm(f"{path}.bn1", inner)
            for axis in ("hight_block", "width_block"):
                yield from _attention(f"{path}.{axis}", inner, length)
            yield f"{path}.conv_up.weight", (2 * inner, inner, 1, 1)
            yield from _norm(f"{path}.bn2", 2 * inner)
            if block == 0:
                shortcut = (2 * inner, channels, 1, 1)
                yield f"{path}.downsample.0.weight", shortcut
                yield from _norm(f"{path}.downsample.1", 2 * inner)
            channels = 2 * inner
            # The first block strides behind its attention.
            if block == 0 and layer > 1:
                length //= 2
    yield "fc.weight", (classes, channels)
    yield "fc.bias", (classes,)


def _attention(path, filters, length):
    depth = 2 * filters // HEADS
    yield f"{path}.relative", (depth, 2 * length - 1)
    yield f"{path}.qkv_transform.weight", (2 * filters, filters, 1)
    sizes = {
        "bn_qkv": 2 * filters,
        "bn_similarity": 3 * HEADS,
        "bn_output": 2 * filters,
    }
    for name, n in sizes.items():
        yield from _norm(f"{path}.{name}", n)


def _norm(path, n):
    return ((f"{path}.{part}", (n,)) for part in _NORM)
