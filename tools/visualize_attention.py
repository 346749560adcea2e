r"""Draws what the axial attention of a model looks at in an image.

python tools/visualize_attention.py --image=photograph.jpg \
    --experiment=axial_deeplab_shapes --checkpoint=runs/shapes \
    --block=res4_block1 --row=48 --column=30 --output_file=attention.png

As Figures 7 and 8 of arXiv:2003.07853: of one block, the weights that the
pixels of a row give to their columns and those that the pixels of a column
give to their rows, head by head, on one PNG. With --output_dir instead, of
every image (a folder, pattern or list as --image) a small picture of what
reaches one pixel by both axes; tools/evaluate.py shows them beside the maps
(--attention_folder). --checkpoint is a prefix or a
folder of tools/train.py (its latest), or a .keras file, which needs no
--experiment; without one the weights are random. Bad arguments and files end in
one line and exit status 2 (`--verbosity=1` adds the traceback).
"""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

import numpy as np  # noqa: E402
import tf_keras  # noqa: E402
from absl import flags  # noqa: E402
from PIL import Image  # noqa: E402

from axial_deeplab import (  # noqa: E402
    command_line,
    visualization,
    visualization_attention,
)
from axial_deeplab.checkpoints import own_files  # noqa: E402
from axial_deeplab.data.photographs import (  # noqa: E402
    find_images,
    open_photograph,
)
from axial_deeplab.experiments import trainer  # noqa: E402
from axial_deeplab.experiments.experiment_flags import (  # noqa: E402
    config_from_flags,
    define_experiment_flags,
)
from axial_deeplab.experiments.step_line import write_line  # noqa: E402
from axial_deeplab.models.attention_blocks import (  # noqa: E402
    BlockAttention,
)
from axial_deeplab.progress import ProgressBar  # noqa: E402


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    define_experiment_flags(values, required=False)
    for name, text, required in (
        ("image", "JPEG or PNG file; or several, for --output_dir.", True),
        ("output_file", "PNG file to write.", False),
        ("output_dir", "Folder of small pictures NAME.png.", False),
        ("checkpoint", "Prefix, folder or .keras file.", False),
        ("block", "Name of a block; default: the last one.", False),
    ):
        flags.DEFINE_string(
            name, None, text, flag_values=values, required=required
        )
    for name, text, lowest in (
        ("row", "Row of queries, in pixels; default: the middle.", 0),
        ("column", "Column of queries, in pixels; default: the middle.", 0),
        ("long_side_px", "First shrinks a larger image to this side.", 2),
    ):
        flags.DEFINE_integer(
            name, None, text, lower_bound=lowest, flag_values=values
        )


def draw(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the last line to print."""
    if bool(values.output_file) == bool(values.output_dir):
        raise ValueError("Give either --output_file or --output_dir.")
    return _draw_many(values) if values.output_dir else _draw_one(values)


def _draw_one(values: flags.FlagValues) -> str:
    output_file = pathlib.Path(values.output_file)
    if not output_file.parent.is_dir():
        # Before the work, not after it.
        raise FileNotFoundError(f"--output_file: no folder for {output_file}.")
    image = read_image(values.image, values.long_side_px)
    model, name = _model(values)
    row, column = _place(values, image)
    maps = BlockAttention(model, values.block or "").maps(image, row, column)
    picture = visualization_attention.attention_picture(image, maps, name)
    visualization.write_png(output_file, picture)
    return f"Wrote {output_file}: block {maps.name}, row {row}, column {column}"


def _draw_many(values: flags.FlagValues) -> str:
    paths = find_images(values.image)
    output_dir = pathlib.Path(values.output_dir)
    model, _ = _model(values)
    attention = BlockAttention(model, values.block or "", traced=True)
    output_dir.mkdir(parents=True, exist_ok=True)
    with ProgressBar(len(paths), "drawing", "images") as bar:
        for path in paths:
            image = read_image(str(path), values.long_side_px)
            maps = attention.maps(image, *_place(values, image))
            picture = visualization_attention.two_hop_picture(image, maps)
            visualization.write_png(output_dir / f"{path.stem}.png", picture)
            bar.update()
    return (
        f"Wrote {len(paths)} pictures to {output_dir}: block {attention.name}"
    )


def _place(values: flags.FlagValues, image: np.ndarray) -> tuple[int, int]:
    """Row and column of the queries; by default the middle of the image."""
    row, column = (
        size // 2 if place is None else place
        for size, place in zip(
            image.shape[:2], (values.row, values.column), strict=True
        )
    )
    return row, column


def read_image(path: str, long_side_px: int | None = None) -> np.ndarray:
    """Pixels [H, W, 3] of a file, shrunk to a longer side if that is larger.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is no usable image.
    """
    pixels = open_photograph(pathlib.Path(path)).pixels()
    if long_side_px is None or max(pixels.shape) <= long_side_px:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((long_side_px, long_side_px))
    return np.asarray(image)


def _model(values: flags.FlagValues) -> tuple[tf_keras.Model, str]:
    """The model, and a name that also says whose its weights are."""
    path = values.checkpoint or ""
    if path.endswith(".keras"):
        return own_files.load_model(path), pathlib.Path(path).name
    if not values.experiment:
        raise ValueError(
            "--experiment must say which model to build; only a .keras file "
            "as --checkpoint holds it itself."
        )
    config = config_from_flags(values)
    if not path:
        write_line("no --checkpoint: the weights are random")
        name = f"{values.experiment} (random weights)"
        return trainer.build_model(config), name
    prefix = own_files.resolve_checkpoint(path)
    model = own_files.load_model(prefix, lambda: trainer.build_model(config))
    return model, f"{values.experiment} ({pathlib.Path(prefix).name})"


if __name__ == "__main__":
    command_line.run_tool(draw, define_flags)
