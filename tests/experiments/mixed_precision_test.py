import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from axial_deeplab.experiments import summaries, trainer
from axial_deeplab.experiments.panoptic_task import PanopticTask
from tests.experiments import case
from tests.experiments.float16_arithmetic import use_accelerator_products
from tests.experiments.mixed_precision_case import operations

# Traced steps would take a minute to compile.
EAGERLY = (
    "trainer.train_tf_while_loop=false",
    "trainer.train_tf_function=false",
    "trainer.eval_tf_function=false",
)

AVERAGE = "trainer.optimizer_config.ema.average_decay=0.9"


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch):
    case.use_tiny_axial_deeplab(monkeypatch)
    yield
    tf_keras.mixed_precision.set_global_policy("float32")


@pytest.fixture
def fast_products(monkeypatch):
    use_accelerator_products(monkeypatch)  # native float16 takes minutes


def run(scenes, model_dir, *options):
    # Large steps from the start would soon leave the range of float16.
    rate = "trainer.optimizer_config.learning_rate.warmup_poly"
    slowly = f"{rate}.base_learning_rate=1e-4"
    config = case.config(scenes, *EAGERLY, slowly, *options)
    return trainer.run_experiment(config, "train_and_eval", str(model_dir))


@pytest.mark.parametrize(
    "dtype, options",
    [
        ("bfloat16", []),
        ("float16", []),
        ("float16", ["runtime.loss_scale=16", AVERAGE]),
    ],
)
@pytest.mark.usefixtures("fast_products")
def test_half_precision_trains_and_evaluates(scenes, tmp_path, dtype, options):
    half = f"runtime.mixed_precision_dtype={dtype}"
    model, report = run(scenes, tmp_path, half, *options)
    assert tf_keras.mixed_precision.global_policy().compute_dtype == dtype
    assert {weight.dtype for weight in model.trainable_weights} == {tf.float32}
    losses = summaries.read_scalars(tmp_path / "train")["training_loss"]
    assert len(losses) == 2 and np.all(np.isfinite(losses))
    scalars = summaries.read_scalars(tmp_path / "validation")
    assert np.all(np.isfinite(scalars["validation_loss"]))
    assert report["mean_iou"] >= 0
    for weight in model.weights:
        assert np.all(np.isfinite(weight)), weight.name


def stored(folder, name):
    """The one value of the latest checkpoint whose name has this end."""
    reader = tf.train.load_checkpoint(str(folder))
    end = f"/{name}/.ATTRIBUTES/VARIABLE_VALUE"
    (found,) = {
        key
        for key in reader.get_variable_to_shape_map()
        if f"/{key}".endswith(end)
    }
    return reader.get_tensor(found)


@pytest.mark.usefixtures("fast_products")
def test_loss_scale_falls_and_is_resumed(scenes, tmp_path, monkeypatch):
    case.use_toy_model(monkeypatch)
    options = (
        "runtime.mixed_precision_dtype=float16",
        "task.losses.center_weight=20000.0",  # no step is in range at first
    )
    run(scenes, tmp_path, *options)
    assert stored(tmp_path, "current_loss_scale") == 2**13
    run(scenes, tmp_path, *options, "trainer.train_steps=3")
    assert stored(tmp_path, "global_step") == 3
    assert stored(tmp_path, "current_loss_scale") == 2**12


def test_precision_of_one_run_does_not_reach_the_next(
    scenes, tmp_path, monkeypatch
):
    case.use_toy_model(monkeypatch)
    run(scenes, tmp_path / "half", "runtime.mixed_precision_dtype=bfloat16")
    run(scenes, tmp_path / "full")
    assert tf_keras.mixed_precision.global_policy().name == "float32"


SENSITIVE = {
    "Softmax",
    "LogSoftmax",
    "SparseSoftmaxCrossEntropyWithLogits",
    "Exp",
    "Log",
    "Rsqrt",
    "Sqrt",
}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_logits_statistics_softmax_and_losses_stay_float32(scenes, dtype):
    tf_keras.mixed_precision.set_global_policy(f"mixed_{dtype}")
    config = case.config(scenes)
    task = PanopticTask(config.task)
    model = task.build_model()
    batches = task.build_inputs(config.task.train_data)

    @tf.function
    def forward(images, labels):
        outputs = model(images, training=True)
        return outputs, task.losses_by_name(labels, outputs)

    traced = forward.get_concrete_function(*batches.element_spec)
    for one in tf.nest.flatten(traced.structured_outputs):
        assert one.dtype == tf.float32, one
    assert {weight.dtype for weight in model.weights} == {tf.float32}
    half = tf.as_dtype(dtype).as_datatype_enum
    found = operations(traced.graph)
    assert ("Conv2D", half) in found  # else nothing is mixed here
    assert {op for op, kind in found if kind == half} & SENSITIVE == set()
    assert {op for op, _ in found} & SENSITIVE
