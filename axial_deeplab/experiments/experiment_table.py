"""All experiments as a table."""

import pathlib
import re

from official.core import exp_factory

from axial_deeplab.experiments.classification_configs import (
    CLASSIFICATION_EXPERIMENTS,
)
from axial_deeplab.experiments.panoptic_configs import PANOPTIC_EXPERIMENTS
from axial_deeplab.experiments.semantic_configs import SEMANTIC_EXPERIMENTS

EXPERIMENTS = (
    PANOPTIC_EXPERIMENTS | CLASSIFICATION_EXPERIMENTS | SEMANTIC_EXPERIMENTS
)
_HEADINGS = ("experiment", "model", "data set", "configuration file")


def format_experiments(config_folder: pathlib.Path) -> str:
    """Name, model, data set and configuration file of each experiment.

    Args:
      config_folder: YAML files, whose headers name their experiment.
    """
    files = config_files(config_folder)
    rows = [_HEADINGS]
    for name in sorted(EXPERIMENTS):
        task = exp_factory.get_exp_config(name).task
        # Classifiers read any labelled images: their names say of what.
        dataset = getattr(task, "dataset", name.partition("_")[0])
        paths = ", ".join(files.get(name, [])) or "-"
        rows.append((name, task.model.name, dataset, paths))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows
    )


def config_files(folder: pathlib.Path) -> dict[str, list[str]]:
    """Paths of YAML files, from the folder's parent, by experiment."""
    files: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*.yaml")):
        name = re.search(r"--experiment=(\w+)", path.read_text())
        if name:
            relative = path.relative_to(folder.parent).as_posix()
            files.setdefault(name[1], []).append(relative)
    return files
