"""A disk that is full, or closed: one line, and the last good checkpoint."""

import resource
import subprocess

import pytest

from axial_deeplab.experiments.checkpoints import remove_unfinished
from tests.experiments.trainer_case import names, run

pytestmark = pytest.mark.usefixtures("toy_model")


@pytest.fixture
def file_limit():
    """Sets how many bytes a file of this process may have."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(
        resource.RLIMIT_FSIZE, (size, before[1])
    )
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


EVERY_STEP = ("trainer.train_steps=4", "trainer.checkpoint_interval=1")


def test_full_disk_leaves_the_last_good_checkpoint(scenes, trained, file_limit):
    folder = trained.folder
    size = (folder / "ckpt-2.data-00000-of-00001").stat().st_size
    file_limit(size // 2)
    with pytest.raises(OSError, match="cannot be written to: ") as caught:
        run(scenes, folder, "train", *EVERY_STEP)
    file_limit(resource.RLIM_INFINITY)
    line = f"{caught.value}"
    assert "\n" not in line and f"{folder}/ckpt-3" in line
    assert (
        f"File too large. The last good checkpoint is {folder}/ckpt-2" in line
    )
    assert not [name for name in names(folder) if "ckpt-3" in name]


@pytest.fixture
def mounted(tmp_path):
    """Mounts memory at a folder; skips where that is not allowed."""
    paths = []

    def mount(path, options):
        path.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "none", path]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("Only root may mount.")
        paths.append(path)

    yield mount
    for path in paths:
        subprocess.run(["umount", path], check=True)


def test_full_disk_spares_the_best_checkpoint(scenes, tmp_path, mounted):
    mounted(tmp_path / "best", "size=24k")  # less than a checkpoint
    options = (
        "trainer.best_checkpoint_export_subdir=best",
        "trainer.best_checkpoint_eval_metric=mean_iou",
        "trainer.checkpoint_interval=1",
    )
    with pytest.raises(OSError, match="No space left on device. The last good"):
        run(scenes, tmp_path, "train_and_eval", *options)
    # No best value without its checkpoint.
    assert names(tmp_path / "best") == []
    assert "ckpt-2.index" in names(tmp_path)


def test_read_only_folder_is_named(scenes, tmp_path, mounted):
    mounted(tmp_path, "ro")
    with pytest.raises(OSError, match=f"{tmp_path} cannot be written to"):
        run(scenes, tmp_path, "train")


def test_what_an_ended_run_had_begun_is_removed(tmp_path):
    kept = ["ckpt-1.data-00000-of-00001", "ckpt-1.index", "other-2_temp"]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / "ckpt-2.data-00000-of-00001").touch()
    part = tmp_path / "best" / "best_ckpt-3_temp" / "part.tempstate"
    part.parent.mkdir(parents=True)
    part.touch()
    remove_unfinished(str(tmp_path))
    assert names(tmp_path) == ["best", *kept]
    assert names(tmp_path / "best") == []
