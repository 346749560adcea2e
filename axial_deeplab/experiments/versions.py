"""Which programs a training ran with."""

import importlib.metadata
import pathlib
import platform
import subprocess

import tensorflow as tf
import yaml

from axial_deeplab.version import __version__

_PACKAGES = ("tensorflow", "tf_keras", "tf-models-official", "numpy")


def versions() -> dict[str, str | None]:
    """Versions by name; the commit is None outside of a git checkout."""
    packages = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {
        "axial_deeplab": __version__,
        "commit": commit(pathlib.Path(__file__).parents[2]),
        "python": platform.python_version(),
        **packages,
    }


def commit(folder: pathlib.Path) -> str | None:
    """The commit of a checkout, with "-dirty" if files differ from it."""
    if not (folder / ".git").exists():  # else that of a folder around it
        return None
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def write_versions(path: str) -> None:
    """Writes the versions as YAML, whole or not at all."""
    partial = f"{path}.partial"
    with tf.io.gfile.GFile(partial, "w") as file:
        file.write(yaml.safe_dump(versions(), sort_keys=False))
    tf.io.gfile.rename(partial, path, overwrite=True)
