r"""Converts public weights to a checkpoint of this package.

python tools/import_checkpoint.py --source=segnext \
    --checkpoint=segnext_tiny_512x512_ade_160k.pth --model=segnext_t \
    --output=weights/segnext_t
python -c "import axial_deeplab; \
    axial_deeplab.create_model('segnext_t', weights='weights/segnext_t')"

--source names the public project:
  axial_deeplab  the authors' PyTorch code: pooled_axial_resnet_*
  segnext        the authors' PyTorch code, MMSegmentation: segnext_*, mscan_*
Files may be of PyTorch (both of its formats) or safetensors; PyTorch is not
needed, and nothing in a file is executed. Every weight is mapped; what is left
over on either side is listed, and nothing is written.
"""

import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab import command_line, create_model, list_models  # noqa: E402
from axial_deeplab.checkpoints import (  # noqa: E402
    from_axial_deeplab,
    from_segnext,
)
from axial_deeplab.checkpoints.own_files import (  # noqa: E402
    check_replaceable,
    write_checkpoint,
)
from axial_deeplab.checkpoints.torch_files import read_tensors  # noqa: E402
from axial_deeplab.checkpoints.weight_map import (  # noqa: E402
    format_rows,
    restore_weights,
)

SOURCES = {
    "axial_deeplab": from_axial_deeplab.SOURCE,
    "segnext": from_segnext.SOURCE,
}


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "source",
        None,
        list(SOURCES),
        "Public project that the weights are of.",
        flag_values=values,
        required=True,
    )
    for name, text in (
        ("checkpoint", "The file."),
        ("model", "Name of the model that the weights are for."),
        ("output", "Folder of the checkpoint; replaced if it is one."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values, required=True)


def import_checkpoint(values: flags.FlagValues) -> str:
    """Converts what the flags say; returns the table of what became what."""
    start = time.monotonic()
    check_replaceable(pathlib.Path(values.output))
    source = SOURCES[values.source]
    tensors = read_tensors(values.checkpoint)
    options = {}
    classes = source.num_classes(tensors)
    # A name without classes, such as a backbone's, is refused below.
    if classes and values.model in list_models() and not _is_backbone(values):
        options["num_classes"] = classes
    model = create_model(values.model, **options)
    rows = restore_weights(tensors, source, model)
    prefix = write_checkpoint(model, values.output, values.model, options)
    return (
        f"{format_rows(rows)}\n"
        f"{len(rows)} weights ({model.count_params():,} numbers) of "
        f"{values.checkpoint} are now {prefix} of {values.model}, after "
        f"{time.monotonic() - start:.1f} s."
    )


def _is_backbone(values: flags.FlagValues) -> bool:
    return values.model.endswith("_backbone")


if __name__ == "__main__":
    command_line.run_tool(import_checkpoint, define_flags)
