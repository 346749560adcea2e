"""What a TPU needs of steps, as far as it can be seen without one."""

import re

import numpy as np
import pytest
import tensorflow as tf
from official.core import task_factory

from axial_deeplab.experiments import config_options, image_task
from axial_deeplab.experiments.panoptic_task import PanopticTask
from axial_deeplab.models.presets import create_model
from tests.experiments import case

# Operations that run on the host only, or whose results have a shape that
# depends on values.
HOST = re.compile(
    r"PyFunc|NumpyFunction|Print|Decode|Encode|String|Regex|ReadFile|WriteFile"
    r"|Lookup|HashTable|Iterator|Summary|Sparse(?!SoftmaxCross)|Ragged"
)
DYNAMIC = re.compile(
    r"^(Where|Unique\w*|SetDiff1D|ListDiff|DynamicPartition|DynamicStitch"
    r"|NonMaxSuppression\w*|TensorListPushBack\w*|TensorArrayV3"
    r"|SegmentSum|SegmentMean|SegmentMax)$"
)


def training_step(scenes, monkeypatch, build, parts=1):
    """The step of a task, a batch for it, and the model."""
    monkeypatch.setattr(image_task, "create_model", build)
    config = case.config(scenes)
    task = PanopticTask(config.task)
    model = task.build_model()
    optimizer = task.create_optimizer(config.trainer.optimizer_config)
    optimizer.build(model.trainable_variables)
    dataset = task.build_inputs(config.task.train_data)
    for spec in tf.nest.flatten(dataset.element_spec):
        assert spec.shape.is_fully_defined()
    batch = next(iter(dataset))

    def step(one):
        return task.train_step(one, model, optimizer, micro_batches=parts)

    return step, batch, model


def evaluation_step(name, options):
    """The validation step of a task, and what it is given on a device."""
    config = config_options.experiment_config(name, params_override=options)
    task = task_factory.get_task(config.task)
    model = task.build_model()
    context = tf.distribute.InputContext()
    dataset = task.build_inputs(config.task.validation_data, context)
    return lambda one: task.validation_step(one, model), dataset.element_spec


def operations(function):
    """All nodes of a traced function and of those that it calls."""
    graph = function.graph.as_graph_def()
    yield from graph.node
    for one in graph.library.function:
        yield from one.node_def


def unfit(function):
    """What of it a TPU cannot do."""
    found = set()
    for node in operations(function):
        if HOST.search(node.op) or DYNAMIC.search(node.op):
            found.add(node.op)
    return found


def test_tiny_axial_deeplab_has_no_host_operation(scenes, monkeypatch):
    step, batch, _ = training_step(scenes, monkeypatch, case.tiny_axial_deeplab)
    assert not unfit(tf.function(step).get_concrete_function(batch))


def test_evaluation_gives_no_string_and_no_host_operation(scenes, monkeypatch):
    for name, build in (
        ("axial_deeplab_shapes", case.tiny_axial_deeplab),
        ("segnext_shapes", case.toy_model),
    ):
        monkeypatch.setattr(image_task, "create_model", build)
        step, batch = evaluation_step(name, case.override(scenes))
        for spec in tf.nest.flatten(batch):
            assert spec.dtype != tf.string and spec.shape.is_fully_defined()
        traced = tf.function(step).get_concrete_function(batch)
        assert not unfit(traced)
        for one in tf.nest.flatten(traced.structured_outputs):
            assert one.dtype != tf.string and one.shape.is_fully_defined()


def printed(x):
    tf.print(x)
    return x


@pytest.mark.parametrize(
    "culprit",
    [
        lambda x: tf.numpy_function(lambda y: y, [x], tf.float32),
        lambda x: tf.py_function(lambda y: y, [x], tf.float32),
        lambda x: tf.where(x > 0),
        lambda x: tf.boolean_mask(x, x > 0),
        lambda x: tf.unique(tf.reshape(x, [-1])),
        lambda x: tf.strings.as_string(x),
        lambda x: tf.map_fn(printed, x),
        lambda x: tf.io.decode_png(tf.io.encode_png(tf.cast(x, tf.uint8))),
    ],
)
def test_culprits_are_found(culprit):
    @tf.function
    def inside(x):  # also in a function of the function
        return culprit(x)

    function = tf.function(lambda x: inside(x))
    spec = tf.TensorSpec([4, 4, 1])
    assert unfit(function.get_concrete_function(spec))


@pytest.mark.parametrize("parts", [1, 2])
def test_step_compiled_as_a_whole_is_the_step(scenes, monkeypatch, parts):
    results = []
    for options in ({}, {"jit_compile": True}):
        step, batch, model = training_step(
            scenes, monkeypatch, case.toy_model, parts
        )
        step = tf.function(step, **options)
        losses = [float(step(batch)["loss"]) for _ in range(2)]
        results.append((losses, model.get_weights()))
    (losses, weights), (other_losses, other_weights) = results
    assert losses[1] != losses[0]
    np.testing.assert_allclose(other_losses, losses, rtol=1e-5)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5)


@pytest.mark.large
@pytest.mark.parametrize(
    "name",
    [
        "axial_deeplab_s",
        "panoptic_deeplab_resnet50",
        "panoptic_deeplab_ps_attention",
    ],
)
def test_models_have_no_host_operation(scenes, monkeypatch, name):
    def build(num_classes, **options):
        return create_model(name, num_classes=num_classes)

    step, batch, _ = training_step(scenes, monkeypatch, build)
    assert not unfit(tf.function(step).get_concrete_function(batch))


@pytest.mark.large
def test_tiny_axial_deeplab_compiles_as_a_whole(scenes, monkeypatch):
    step, batch, _ = training_step(scenes, monkeypatch, case.tiny_axial_deeplab)
    step = tf.function(step, jit_compile=True)
    losses = [float(step(batch)["loss"]) for _ in range(2)]
    assert np.isfinite(losses).all() and losses[1] != losses[0]
