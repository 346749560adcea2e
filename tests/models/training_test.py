import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab import keys
from axial_deeplab.losses import panoptic_losses
from tests.models.tiny_models import NUM_CLASSES, images, tiny_panoptic

STEPS = 3
SIZE = (33, 40)


def _dataset():
    """Seeded noise in the form of the training batches."""
    rng = np.random.default_rng(3)
    steps = [(STEPS, 2, *SIZE)] * 3
    targets = {
        keys.SEMANTIC_LOGITS: rng.integers(0, NUM_CLASSES, steps[0]),
        keys.CENTER_HEATMAP: rng.random((*steps[1], 1)).astype(np.float32),
        keys.CENTER_OFFSET: rng.normal(0, 9, (*steps[2], 2)).astype(np.float32),
    }
    weights = {name: np.ones((STEPS, 2, *SIZE), np.float32) for name in targets}
    pixels = np.stack([images(*SIZE, seed=seed) for seed in range(STEPS)])
    return tf.data.Dataset.from_tensor_slices((pixels, targets, weights))


@pytest.fixture(scope="module")
def trained():
    """The model, its losses by step, and its weights before and after each."""
    tf.random.set_seed(1)
    model = tiny_panoptic()
    model.build((None, None, None, 3))
    losses, weights = [], [_weights(model)]

    def record(step, logs):
        losses.append(dict(logs))
        weights.append(_weights(model))

    model.compile(
        tf_keras.optimizers.Adam(1e-2),
        loss=panoptic_losses(),
        run_eagerly=True,  # tracing would take longer than all steps
    )
    callback = tf_keras.callbacks.LambdaCallback(on_train_batch_end=record)
    model.fit(_dataset(), callbacks=[callback], verbose=0)
    return model, losses, weights


def _weights(model):
    return {weight.name: weight.numpy() for weight in model.weights}


def _changed(before, after):
    return {
        name for name in before if not np.array_equal(before[name], after[name])
    }


def test_losses_of_the_three_outputs_are_finite_and_add_up(trained):
    losses = trained[1]
    assert len(losses) == STEPS
    for step in losses:
        parts = [value for name, value in step.items() if name != "loss"]
        assert len(parts) == 3 and np.all(np.isfinite(parts))
        assert all(value > 0 for value in parts)
        assert step["loss"] == pytest.approx(sum(parts), rel=1e-5)


def test_three_steps_change_every_weight(trained):
    """But for the offsets of the logit norms.

    What is constant over the keys leaves a softmax as it was.
    """
    model, _, weights = trained
    trainable = {weight.name for weight in model.trainable_weights}
    assert len(trainable) == len(model.trainable_weights) > 100
    ignored = {name for name in trainable if "similarity_norm/beta" in name}
    assert len(ignored) == 2  # both axes of the block that attends
    assert _changed(weights[0], weights[-1]) == set(weights[0]) - ignored


def test_the_first_step_opens_the_branches(trained):
    """Gammas that start at zero hide what stands before them, once."""
    model, _, weights = trained
    first = _changed(weights[0], weights[1])
    for blocks in model.backbone.levels.values():
        block = blocks[0]
        assert block.expand.batch_norm.gamma.name in first
        hidden = [
            block.expand.conv.kernel,
            *block.spatial.trainable_weights,
            *block.reduce.trainable_weights,
        ]
        assert not first & {weight.name for weight in hidden}
