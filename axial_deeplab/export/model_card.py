"""The README.md of an export: what it is, knows, takes and returns."""

import dataclasses

import tensorflow as tf
import tf_keras

from axial_deeplab.export.metadata import ExportMetadata
from axial_deeplab.export.options import ExportOptions
from axial_deeplab.version import __version__

CARD_FILE = "README.md"


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """What only those know who trained a model.

    Args:
      name: of the model.
      metrics: numbers by name, as they were measured on held-out pictures.
      licence: of the weights.
      notes: anything else, Markdown.
    """

    name: str = "segmentation model"
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    licence: str = "not stated"
    notes: str = ""


_TEXT = """# {card.name}

{notes}{task} segmentation into the {dataset.num_classes} classes of
`{dataset.name}`. {parameters:,} weights, stored as {options.weights_type}.

* Images: {size}, at most {options.max_pixels:,} pixels, RGB in 0..255.
* Averaged over the scales {scales}{flip}.{windows}
* Licence: {card.licence}.
* Made with axial_deeplab {version}, TensorFlow {tensorflow}, tf_keras {keras}.

## Metrics

{metrics}

## Classes

{ids}

| class | original id | name | |
|---|---|---|---|
{classes}

## Signatures

| name | takes | returns |
|---|---|---|
{signatures}

{returned}{probabilities} "encoded" pads smaller images of a
batch with void; "height" and "width" say what is theirs.
{reuse}"""
_IDS = {
    "Panoptic": "A panoptic id is class * {dataset.label_divisor} + instance; "
    "void is {dataset.void_id}.",
    "Semantic": "Pixels hold the class; void is {dataset.ignore_label}.",
}
_RETURNED = {
    "Panoptic": """"panoptic", "semantic", "instance", "instance_score" are maps
[B, H, W]; "instance_ids", "instance_classes" and "instance_scores" are lists
[B, N] by descending score that end in -1, -1 and 0.""",
    "Semantic": '"semantic" is a map [B, H, W].',
}

_PROBABILITIES = """
"semantic_probabilities" is a map [B, H, W, {count}] of all classes."""

_SIGNATURES = {
    "serving_default": "`images` uint8 [B, H, W, 3] | maps and lists",
    "encoded": "`image_bytes` string [B], JPEG or PNG | the same, "
    "`height` and `width`",
    "heads": "`images` float32 [B, H, W, 3] | outputs of the model",
    "features": "`images` float32 [B, H, W, 3] | `level_2` and so on "
    "[B, H', W', C], `pooled` [B, C]",
}
_REUSE = """
## Reuse

```python
layer = hub.KerasLayer(PATH, trainable=True)  # tensorflow_hub
layer(images)["pooled"]  # images float32 [B, H, W, 3] in 0..255
```
"""


def card_text(
    card: ModelCard,
    metadata: ExportMetadata,
    options: ExportOptions,
    signatures: list[str],
    parameters: int,
) -> str:
    """The card as Markdown.

    Args:
      card: name, metrics and licence.
      metadata: class table, and whether the model is a panoptic one.
      options: of the export.
      signatures: names; "__call__" for a backbone to train on.
      parameters: number of weights of the model.
    """
    dataset = metadata.dataset
    task = "Semantic" if metadata.postprocess is None else "Panoptic"
    metrics = [f"* {name}: {value:g}" for name, value in card.metrics.items()]
    classes = [
        f"| {one.id} | {one.original_id} | {one.name} | "
        f"{'thing' if one.is_thing else 'stuff'} |"
        for one in dataset.classes
    ]
    size = options.size_px
    return _TEXT.format(
        card=card,
        dataset=dataset,
        task=task,
        ids=_IDS[task].format(dataset=dataset),
        returned=_RETURNED[task],
        probabilities=_PROBABILITIES.format(count=dataset.num_classes)
        if options.with_probabilities
        else "",
        windows=_windows(options),
        options=options,
        notes=f"{card.notes}\n\n" if card.notes else "",
        parameters=parameters,
        size=f"{size[0]} x {size[1]} (height x width)" if size else "any size",
        scales=", ".join(f"{one:g}" for one in options.multi_scale.scales),
        flip=" and mirror images" if options.multi_scale.flip else "",
        version=__version__,
        tensorflow=tf.__version__,
        keras=tf_keras.__version__,
        metrics="\n".join(metrics) or "None were given.",
        classes="\n".join(classes),
        signatures="\n".join(
            f"| {name} | {text} |"
            for name, text in _SIGNATURES.items()
            if name in signatures
        ),
        reuse=_REUSE if "__call__" in signatures else "",
    )


def _windows(options: ExportOptions) -> str:
    if not options.windows_px:
        return ""
    side, stride = options.windows_px
    return f" In windows of {side} pixels, {stride} apart."
