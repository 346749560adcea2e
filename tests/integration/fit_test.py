"""`model.fit` with the callbacks of Keras and ours, on one device."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.integration import fit_case


class _FirstState(tf_keras.callbacks.Callback):
    """Keeps what a training has when the last epoch begins."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == fit_case.EPOCHS - 1:
            self.found = _state(self.model)


def _state(model):
    """Weights, statistics, and all that the optimizer keeps."""
    optimizer = model.optimizer
    states = optimizer.variables + optimizer.inner_optimizer.variables
    return model.get_weights() + [state.numpy() for state in states]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Folder with TensorBoard's files and the best model; model, history."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    board = tf_keras.callbacks.TensorBoard(str(folder / "board"))
    return folder, *fit_case.fit(folder, board)


def _assert_near(model, other):
    """To the rounding of sums, whose order is not fixed."""
    for one, two in zip(_state(model), _state(other), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)


def test_best_model_is_that_of_the_best_quality(uninterrupted):
    folder, _, history = uninterrupted
    best = tf_keras.models.load_model(folder / "best.keras")
    callback = fit_case.quality()
    callback.set_model(best)
    assert callback.evaluate()["val_pq"] == max(history["val_pq"])
    assert len(set(history["val_pq"])) > 1  # training changes it


def test_tensorboard_has_the_quality_of_each_epoch(uninterrupted):
    """Where Keras writes what begins with "val_": as a validation."""
    folder, _, history = uninterrupted
    (path,) = folder.glob("board/validation/*")
    found = [
        tf.make_ndarray(value.tensor)
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "epoch_pq"
    ]
    assert found == pytest.approx(history["val_pq"])


def test_a_resumed_epoch_ends_where_an_uninterrupted_one_does(
    uninterrupted, tmp_path
):
    """It is run from its beginning again, which is equal to the last bit."""
    before, after = _FirstState(), _FirstState()
    with pytest.raises(InterruptedError):
        fit_case.fit(tmp_path, fit_case.Interruption(), before)
    model, history = fit_case.fit(tmp_path, after)
    _, expected, full_history = uninterrupted
    assert len(history["loss"]) == 1  # one epoch was left
    assert len(before.found) == len(after.found) > 30
    for one, two in zip(before.found, after.found, strict=True):
        np.testing.assert_array_equal(one, two)
    _assert_near(model, expected)
    assert history["val_pq"] == pytest.approx(full_history["val_pq"][-1:], 1e-3)


def test_resuming_between_steps_needs_the_rest_of_the_data(
    uninterrupted, tmp_path
):
    """Keras counts on, but would read the data from the beginning."""
    with pytest.raises(InterruptedError):
        fit_case.fit(tmp_path, fit_case.Interruption(), save_freq=1)
    done = fit_case.EPOCHS * fit_case.STEPS - 1
    rest = fit_case.training_data().repeat().skip(done)
    model, history = fit_case.fit(tmp_path, save_freq=1, data=rest)
    assert len(history["loss"]) == 1
    _assert_near(model, uninterrupted[1])


def test_early_stopping_restores_the_best_weights(tmp_path):
    stop = tf_keras.callbacks.EarlyStopping(
        "val_pq_stuff", mode="max", patience=1, restore_best_weights=True
    )
    spoil = tf_keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (
            epoch == 1
            and model.set_weights([0 * w for w in model.get_weights()])
        )
    )
    model = fit_case.compiled_model(run_eagerly=True)
    _, history = fit_case.fit(tmp_path, stop, spoil, trained=model)
    assert len(history["val_pq_stuff"]) == 2  # of three
    callback = fit_case.quality()
    callback.set_model(model)
    assert callback.evaluate()["val_pq"] == history["val_pq"][0]


@pytest.mark.parametrize(
    "options", [{"steps_per_execution": 2}, {"jit_compile": True}]
)
def test_ways_to_run_steps_do_not_change_them(uninterrupted, tmp_path, options):
    _, expected, expected_history = uninterrupted
    model = fit_case.compiled_model(**options)
    model, history = fit_case.fit(tmp_path, trained=model)
    for one, two in zip(
        model.get_weights(), expected.get_weights(), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=0, atol=1e-4)
    assert history["val_pq"] == pytest.approx(expected_history["val_pq"], 1e-3)
