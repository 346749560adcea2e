"""Pictures and a model for the tests of tools/predict.py."""

import numpy as np
from absl import flags
from PIL import Image

from axial_deeplab.export import export_saved_model
from tests.export.toy import TOY_DATASET, TOY_SETTINGS, ToyPanopticModel
from tools import predict


def export_toy(folder, options=None):
    """A model, and the SavedModel of it."""
    model = ToyPanopticModel()
    export_saved_model(model, TOY_DATASET, TOY_SETTINGS, folder, options)
    return model, str(folder)


def save(path, height, width, mode="RGB"):
    rng = np.random.default_rng(len(path.name) + height)
    pixels = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def photographs(folder):
    """Five pictures of three sizes."""
    folder.mkdir()
    save(folder / "000000000042.jpg", 14, 19)
    save(folder / "b.png", 14, 19)
    save(folder / "c.png", 14, 19)
    save(folder / "d.JPEG", 9, 11, mode="L")
    save(folder / "e.png", 1, 2, mode="P")
    (folder / "notes.txt").write_text("no image")
    return folder


def flag_values(saved_model, images, output_dir):
    values = flags.FlagValues()
    predict.define_flags(values)
    values(["predict.py", *arguments(saved_model, images, output_dir)])
    return values


def arguments(saved_model, images, output_dir):
    """Of the program."""
    return [
        f"--saved_model={saved_model}",
        f"--images={images}",
        f"--output_dir={output_dir}",
    ]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def merged_ids(panoptic):
    """The map with its values replaced by their ranks, void by 0."""
    void = panoptic == TOY_SETTINGS.void_id
    ranks = np.unique(panoptic[~void], return_inverse=True)[1]
    result = np.zeros(panoptic.shape, int)
    result[~void] = ranks.ravel() + 1
    return result
