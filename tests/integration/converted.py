"""Data that the tool makes by itself."""

import pathlib

from absl import flags

from tools import convert_dataset


def convert(dataset: str, folder: pathlib.Path) -> pathlib.Path:
    """Writes "shapes" or "digits" to a folder, as the tool does; the folder."""
    values = flags.FlagValues()
    convert_dataset.define_flags(values)
    values(["tool", f"--dataset={dataset}", f"--output_dir={folder}"])
    convert_dataset.convert(values)
    return folder
