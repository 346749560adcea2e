r"""Converts public weights to a checkpoint of this package.

python tools/import_checkpoint.py --source=segnext \
    --checkpoint=segnext_tiny_512x512_ade_160k.pth --model=segnext_t \
    --output=weights/segnext_t
python -c "import axial_deeplab; \
    axial_deeplab.create_model('segnext_t', weights='weights/segnext_t')"

--source names the public project:
  deeplab2       its TensorFlow checkpoints: panoptic_deeplab_*, backbones
  axial_deeplab  the authors' PyTorch code: pooled_axial_resnet_*
  segnext        the authors' PyTorch code, MMSegmentation: segnext_*, mscan_*
  ours           checkpoints of a training run or of this tool, .keras files,
                 files of Model.save_weights: whole, or with --parts (such as
                 backbone,decoder) and --num_classes for other classes; it lists
                 what was restored, what was not, and why
Files may be of PyTorch (both of its formats) or safetensors; PyTorch is not
needed, and nothing in a file is executed. Every weight is mapped; what is left
over on either side is listed, and nothing is written. The last line says how
many seconds it took and by how much memory grew while it did.
"""

import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import tf_keras  # noqa: E402
from absl import flags  # noqa: E402

from axial_deeplab import (  # noqa: E402
    command_line,
    create_model,
    keys,
    list_models,
)
from axial_deeplab.checkpoints import (  # noqa: E402
    from_axial_deeplab,
    from_deeplab2,
    from_segnext,
)
from axial_deeplab.checkpoints.memory import (  # noqa: E402
    peak_bytes,
    resident_bytes,
)
from axial_deeplab.checkpoints.own_files import (  # noqa: E402
    check_replaceable,
    refuse_foreign,
    stored_options,
    write_checkpoint,
)
from axial_deeplab.checkpoints.parts import (  # noqa: E402
    format_outcomes,
    restore_by_part,
    weights_by_part,
)
from axial_deeplab.checkpoints.torch_files import read_tensors  # noqa: E402
from axial_deeplab.checkpoints.weight_map import (  # noqa: E402
    Source,
    format_rows,
    listed,
    restore_weights,
)
from axial_deeplab.data.dataset_specs import (  # noqa: E402
    DatasetSpec,
    dataset_spec,
)
from axial_deeplab.export import (  # noqa: E402
    ModelCard,
    export_classifier,
    export_saved_model,
)
from axial_deeplab.models.panoptic_deeplab import PanopticDeepLab  # noqa: E402
from axial_deeplab.models.presets import zero_weights  # noqa: E402
from axial_deeplab.models.semantic_segmenter import (  # noqa: E402
    SemanticSegmenter,
)
from axial_deeplab.postprocess import PanopticSettings  # noqa: E402

SOURCES: dict[str, tuple[Callable, Callable[..., Source]]] = {
    "deeplab2": (from_deeplab2.read_tensors, from_deeplab2.source_of),
    "axial_deeplab": (read_tensors, lambda _: from_axial_deeplab.SOURCE),
    "segnext": (read_tensors, lambda _: from_segnext.SOURCE),
}
_OURS = "ours"
_NUMBER_BYTES = 4

# Data sets by their number of classes.
_PANOPTIC = {19: "cityscapes_panoptic", 134: "coco_panoptic"}
_SEMANTIC = {
    150: "ade20k_semantic",
    19: "cityscapes_panoptic",
    171: "coco_stuff",
    21: "pascal_voc",
    60: "pascal_context",
    16: "isaid",
}
# Those of DeepLab2's configurations; the rest are defaults.
_PUBLISHED_SETTINGS = {
    "coco_panoptic": {"nms_kernel_px": 41, "stuff_area_limit_px": 4096}
}
_PUBLISHED_SETTINGS_OF_MODELS = {
    f"panoptic_deeplab_mobilenet_v3_{size}": {"nms_kernel_px": 7}
    for size in ("small", "large")
}


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "source",
        None,
        [*SOURCES, _OURS],
        "Public project that the weights are of.",
        flag_values=values,
        required=True,
    )
    for name, text in (
        ("checkpoint", "The file; of TensorFlow's the prefix or the folder."),
        ("model", "Name of the model that the weights are for."),
        ("output", "Folder of the checkpoint; replaced if it is one."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)

    flags.DEFINE_bool(
        "export",
        False,
        "Also write a SavedModel, to the folder saved_model in --output.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "dataset",
        None,
        "Classes of the SavedModel; default: by their number.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "output_stride",
        None,
        ["16", "32"],
        "That of the backbone, where it is not the model's own.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "parts",
        None,
        "With --source=ours: parts to restore; default: all.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "num_classes",
        None,
        "With --source=ours: classes of the model; default: the file's.",
        flag_values=values,
        lower_bound=1,
    )


def import_checkpoint(values: flags.FlagValues) -> str:
    """Converts what the flags say; returns the table of what became what."""
    start, before = time.monotonic(), resident_bytes()
    _check(values)
    restore = _restore_ours if values.source == _OURS else _convert
    model, options, table = restore(values)
    prefix = write_checkpoint(model, values.output, values.model, options)
    # Linux counts loosely: a peak may be less than what was resident before.
    grown = max(peak_bytes() - before, 0)
    numbers = model.count_params()
    lines = [
        table,
        f"{len(model.weights)} weights ({numbers:,} numbers) of "
        f"{values.checkpoint} are now {prefix} of {values.model}, after "
        f"{time.monotonic() - start:.1f} s, in which memory grew by "
        f"{grown / 1e6:.0f} MB, {grown / (_NUMBER_BYTES * numbers):.2f} times "
        "the weights.",
    ]
    if values.export:
        lines.append(f"Exported it to {_export(model, values)}")
    return "\n".join(lines)


def _check(values: flags.FlagValues) -> None:
    check_replaceable(pathlib.Path(values.output))
    if values.dataset:
        dataset_spec(values.dataset)
    if values.export and _is_backbone(values):
        raise ValueError(
            f"--export: {values.model} predicts nothing; export a whole model."
        )
    for name in ("parts", "num_classes"):
        if values[name].value is not None and values.source != _OURS:
            raise ValueError(
                f"--{name} is for --source={_OURS}: convert the whole file "
                "first, then its parts."
            )


def _convert(
    values: flags.FlagValues,
) -> tuple[tf_keras.Model, dict[str, Any], str]:
    """The model of a file of others, its options, and the table."""
    read, source_of = SOURCES[values.source]
    tensors = read(values.checkpoint)
    source = source_of(tensors)
    options = _stride_option(values)
    classes = source.num_classes(tensors)
    # A name without classes, such as a backbone's, is refused below.
    if classes and values.model in list_models() and not _is_backbone(values):
        options["num_classes"] = classes
    # What a file may lack keeps its initial values.
    optional = [name.rsplit("/", 1)[-1] for name in source.without]
    with zero_weights(but=optional):
        model = create_model(values.model, **options)
    rows = restore_weights(tensors, source, model)
    table, used = format_rows(rows), {row.theirs for row in rows}
    unused = [name for name in tensors if name not in used]
    if unused:
        table += (
            f"\n{len(unused)} tensors are of no use to the model: "
            f"{listed(unused)}."
        )
    return model, options, table


def _restore_ours(
    values: flags.FlagValues,
) -> tuple[tf_keras.Model, dict[str, Any], str]:
    """The same of a file of ours."""
    refuse_foreign(values.checkpoint)
    stored = stored_options(values.checkpoint)
    options = stored | _stride_option(values)
    if values.num_classes:
        options["num_classes"] = values.num_classes
    elif _is_backbone(values):
        options.pop("num_classes", None)
    model = create_model(values.model, **options)
    parts = values.parts or list(weights_by_part(model))
    outcomes = restore_by_part(values.checkpoint, model, parts)
    return model, options, format_outcomes(outcomes)


def _stride_option(values: flags.FlagValues) -> dict[str, int]:
    if not values.output_stride:
        return {}
    return {"output_stride": int(values.output_stride)}


def _export(model: tf_keras.Model, values: flags.FlagValues) -> pathlib.Path:
    directory = pathlib.Path(values.output, "saved_model")
    name = values.dataset or _dataset(model)
    if name is None:
        return export_classifier(model, directory, values.model)
    spec, settings = dataset_spec(name), None
    if isinstance(model, PanopticDeepLab):
        settings = published_settings(values.model, spec)
    card = ModelCard(values.model)
    return export_saved_model(model, spec, settings, directory, card=card)


def published_settings(model: str, spec: DatasetSpec) -> PanopticSettings:
    """How the public configurations form segments, by model and data set."""
    changes = _PUBLISHED_SETTINGS.get(spec.name, {})
    changes = changes | _PUBLISHED_SETTINGS_OF_MODELS.get(model, {})
    return PanopticSettings.of(spec, keep_k_centers=400, **changes)


def _dataset(model: tf_keras.Model) -> str | None:
    """By the number of classes; None for a classifier."""
    if isinstance(model, PanopticDeepLab):
        by_count, head = _PANOPTIC, model.heads[keys.SEMANTIC_LOGITS]
    elif isinstance(model, SemanticSegmenter):
        by_count, head = _SEMANTIC, model.head
    else:
        return None
    if head.channels not in by_count:
        raise ValueError(
            f"--dataset must name the data set of {head.channels} classes."
        )
    return by_count[head.channels]


def _is_backbone(values: flags.FlagValues) -> bool:
    return values.model.endswith("_backbone")


if __name__ == "__main__":
    command_line.run_tool(import_checkpoint, define_flags)
