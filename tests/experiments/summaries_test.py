import numpy as np
import tensorflow as tf
from PIL import Image

from axial_deeplab.experiments import summaries


def write(folder, values, tag="pq_all"):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step, value in values.items():
            tf.summary.scalar(tag, value, step)
    writer.close()


def test_scalars_of_a_resumed_run_are_one_curve(tmp_path):
    write(tmp_path, {1: 0.5, 3: 0.25, 2: 0.75})
    write(tmp_path, {2: 4.0, 4: 8.0}, "mean_iou")
    assert summaries.read_scalars(tmp_path) == {
        "pq_all": [(1, 0.5), (2, 0.75), (3, 0.25)],
        "mean_iou": [(2, 4.0), (4, 8.0)],
    }


def test_later_value_of_a_step_counts(tmp_path):
    write(tmp_path, {1: 0.5, 2: 0.25, 3: 0.5})
    # Event files are read in the order of their names, the time of creation.
    first = next(tmp_path.iterdir())
    first.rename(tmp_path / "events.out.tfevents.0000000001.a")
    write(tmp_path, {2: 1.0, 3: 2.0})
    scalars = summaries.read_scalars(tmp_path)
    assert scalars["pq_all"] == [(1, 0.5), (2, 1.0), (3, 2.0)]


def test_texts_and_vectors_are_no_curves(tmp_path):
    writer = tf.summary.create_file_writer(str(tmp_path))
    with writer.as_default():
        tf.summary.text("note", "text", 1)
        tf.summary.histogram("weights", np.arange(4.0), 1)
        tf.summary.scalar("pq_all", 0.5, 1)
    writer.close()
    assert summaries.read_scalars(tmp_path) == {"pq_all": [(1, 0.5)]}


def test_curves_need_a_summary(tmp_path):
    assert summaries.plot_curves(str(tmp_path)) is None
    (tmp_path / "train").mkdir()
    write(tmp_path / "validation", {1: 0.5}, "something_else")
    assert summaries.plot_curves(str(tmp_path)) is None
    assert not (tmp_path / summaries.CURVES_FILE).exists()
    write(tmp_path / "validation", {1: 0.5, 2: 0.75})
    path = summaries.plot_curves(str(tmp_path))
    assert path == tmp_path / summaries.CURVES_FILE
    assert np.asarray(Image.open(path)).std() > 10
