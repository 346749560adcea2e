import os

import pytest
import tensorflow as tf

from tests.experiments.trainer_case import names, run

pytestmark = pytest.mark.usefixtures("toy_model")


@pytest.mark.parametrize(
    "option, message",
    [
        (
            "task.train_data.input_path=''",
            "task.train_data.input_path is empty",
        ),
        ("task.train_data.input_path='/none*'", "No file matches '/none"),
        ("task.validation_data.input_path=''", "validation_data.input_path is"),
        ("task.train_data.crop_size_px=[33]", r"crop_size_px must .* \[33\]"),
        ("task.train_data.crop_size_px=[0,33]", r"crop_size_px must .* \[0, 3"),
        ("task.train_data.global_batch_size=0", "global_batch_size must be at"),
        ("task.train_data.scale_range=[2.0,1.0]", "scale_range"),
        ("task.dataset=shape", "'shape'"),
        ("task.losses.top_k_fraction=2.0", "top_k_fraction"),
        ("task.losses.center_sigma_px=-1", "sigma_px"),
        ("task.postprocess.nms_kernel_px=0", "nms_kernel_px"),
        ("task.init_checkpoint=/none", "no checkpoint at /none"),
        ("runtime.distribution_strategy=many", "'many'"),
        ("trainer.summary_interval=3,trainer.steps_per_loop=2", "multiple of"),
    ],
)
def test_unfit_option_is_named_and_nothing_is_left(
    scenes, tmp_path, option, message
):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(scenes, tmp_path / "a" / "run", "train_and_eval", option)
    assert names(tmp_path) in ([], ["a"])
    assert not (tmp_path / "a" / "run").exists()


def test_parts_that_the_model_lacks_are_named(scenes, tmp_path):
    options = (
        "task.init_checkpoint=/none",
        "task.init_checkpoint_modules=[encoder]",
    )
    with pytest.raises(ValueError, match="some of backbone, .*; got 'encoder'"):
        run(scenes, tmp_path / "run", "train", *options)


@pytest.mark.parametrize("mode", ["train", "eval", "train_and_eval"])
def test_checkpoint_of_another_model_is_refused(scenes, trained, mode):
    folder = trained.folder
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(ValueError, match="ckpt-2 is of another model"):
        run(scenes, folder, mode, "task.model.name=other")
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert after == before


def test_checkpoint_of_another_model_is_not_watched(scenes, trained):
    other = "task.model.name=other"
    with pytest.raises(ValueError, match="ckpt-2 is of another model"):
        run(scenes, trained.folder, "continuous_eval", other)


def test_state_of_another_optimizer_is_refused(scenes, trained):
    sgd = "trainer.optimizer_config.optimizer.type=adamw_experimental"
    with pytest.raises(ValueError, match="not the state of this optimizer"):
        run(scenes, trained.folder, "train", sgd)
    _, report = run(scenes, trained.folder, "eval", sgd)
    assert report


@pytest.mark.parametrize("part", ["data-00000-of-00001", "index"])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_damaged_checkpoint_is_named(scenes, trained, part, mode):
    path = trained.folder / f"ckpt-2.{part}"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ValueError, match="ckpt-2 cannot be restored: ") as e:
        run(scenes, trained.folder, mode)
    assert "\n" not in f"{e.value}"


def test_missing_checkpoint_is_not_evaluated(scenes, tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FileNotFoundError, match=f"checkpoint at {folder}"):
            run(scenes, folder, "eval")
    assert not names(tmp_path)


def test_listed_checkpoint_that_is_gone_is_named(scenes, trained):
    for path in trained.folder.glob("ckpt-2*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        run(scenes, trained.folder, "eval")
    with pytest.raises(ValueError, match="ckpt-2 cannot be restored"):
        run(scenes, trained.folder, "train")


def test_model_dir_that_is_a_file_is_named(scenes, tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(NotADirectoryError, match=f"{path} is no folder"):
        run(scenes, path, "train")
    with pytest.raises(OSError, match="inside cannot be written to"):
        run(scenes, path / "inside", "train")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="nothing is closed to this user",
)
def test_model_dir_that_cannot_be_written_is_named(scenes, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot be written to"):
        run(scenes, tmp_path, "train")


def test_nan_loss_ends_the_training(scenes, tmp_path, capsys):
    rate = "trainer.optimizer_config.learning_rate.warmup_poly"
    with pytest.raises(RuntimeError, match="stopped at step 2: .* NaN"):
        run(
            scenes,
            tmp_path,
            "train",
            "trainer.train_steps=4",
            "trainer.checkpoint_interval=1",
            f"{rate}.base_learning_rate=1e30",
            "trainer.loss_upper_bound=1e40",
        )
    assert "ckpt-1.index" in names(tmp_path)
    assert "ckpt-2.index" not in names(tmp_path)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_damaged_records_are_named(scenes, tmp_path, split):
    content = next(scenes.glob("val-*")).read_bytes()
    path = tmp_path / "cut.tfrecord"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=f"{path} is damaged: its record 2"):
        run(
            scenes,
            tmp_path / "run",
            "train_and_eval",
            f"task.{split}_data.input_path='{path}'",
        )


@pytest.mark.parametrize("split", ["train", "validation"])
def test_files_without_records_are_named(scenes, tmp_path, split):
    path = tmp_path / "empty.tfrecord"
    path.touch()
    with pytest.raises(ValueError, match=f"{path} holds no example"):
        run(
            scenes,
            tmp_path / "run",
            "train_and_eval",
            f"task.{split}_data.input_path='{path}'",
        )


def test_scenes_larger_than_the_crop_are_named(scenes, tmp_path):
    with pytest.raises(ValueError, match="larger than the evaluation crop"):
        run(scenes, tmp_path / "run", "train_and_eval", crop_px=25)
    assert not names(tmp_path)


def test_unreadable_image_met_later_is_named(scenes, tmp_path):
    (path,) = scenes.glob("train-*")
    records = [one.numpy() for one in tf.data.TFRecordDataset(str(path))]
    bad = tmp_path / "bad.tfrecord"
    with tf.io.TFRecordWriter(str(bad)) as writer:
        for one in records:
            writer.write(one.replace(b"\x89PNG", b"\x89PIG"))
    data = f"task.train_data.input_path='{bad}'"
    unchecked = "task.train_data.checked_records=0"
    with pytest.raises(ValueError, match=f"{bad}, record 0: ") as caught:
        run(scenes, tmp_path / "run", "train", data, unchecked)
    assert "\n" not in f"{caught.value}"
