import pytest

from axial_deeplab.experiments import classification_configs, config_options
from axial_deeplab.experiments.classification_task import ClassificationTask
from axial_deeplab.models.presets import list_models
from axial_deeplab.optimization import WarmUpCosine
from tests.models import tiny_axial_vits, tiny_models

BATCHES = classification_configs.IMAGENET_BATCH_SIZES
DROP_PATHS = classification_configs.IMAGENET_DROP_PATHS


def schedule(config):
    rate = config.trainer.optimizer_config.learning_rate
    return WarmUpCosine(**rate.warmup_cosine.as_dict())


@pytest.mark.parametrize("name", BATCHES)
def test_imagenet_recipe(name):
    config = config_options.experiment_config(f"imagenet_{name}")
    assert config.task.model.name == name in list_models()
    batch = config.task.train_data.global_batch_size
    epoch = 1_281_167 / batch
    steps = config.trainer.train_steps
    assert steps / epoch == pytest.approx(130, abs=1e-3)
    rate = schedule(config)
    assert rate.total_steps == steps
    assert rate.warmup_steps / epoch == pytest.approx(10, abs=1e-3)
    # 1.6 for 4096 images, and in proportion.
    assert rate.peak == pytest.approx(1.6 * batch / 4096)


@pytest.mark.parametrize("name", DROP_PATHS)
def test_imagenet_recipe_of_adamw(name):
    config = config_options.experiment_config(f"imagenet_{name}")
    task = config.task
    assert task.model.name == name in list_models()
    assert task.model.drop_path == (0.2 if name == "mscan_l" else 0.1)
    assert (task.model.norm_momentum, task.model.norm_epsilon) == (0.9, 1e-5)
    epoch = 1_281_167 / 1024
    steps = config.trainer.train_steps
    assert steps / epoch == pytest.approx(300, abs=1e-3)
    rate = schedule(config)
    assert rate.warmup_steps / epoch == pytest.approx(5, abs=1e-3)
    assert rate.peak == pytest.approx(1e-3)
    assert task.losses.label_smoothing == 0.1
    assert task.losses.weight_decay == 0.0  # that of the optimizer it is


@pytest.mark.parametrize(
    "build", [tiny_axial_vits.tiny_classifier, tiny_models.tiny_semantic]
)
def test_only_kernels_and_tables_decay(build):
    model = build()
    model.build((None, None, None, 3))
    config = config_options.experiment_config("imagenet_mscan_t")
    optimizer = ClassificationTask.create_optimizer(
        config.trainer.optimizer_config
    )
    assert optimizer.weight_decay == 0.05
    for weight in model.trainable_weights:
        assert optimizer.rate_factor(weight) == 1.0
        assert optimizer.decays(weight) == (weight.shape.rank > 1), weight.name


def test_learning_rate_follows_the_batch():
    config = config_options.experiment_config(
        "imagenet_axial_resnet_l",
        params_override="task.train_data.global_batch_size=128",
    )
    assert schedule(config).peak == pytest.approx(0.05)


@pytest.mark.parametrize("name", classification_configs.DIGITS_MODELS)
def test_digits_recipe(name):
    config = config_options.experiment_config(f"digits_{name}")
    assert config.task.model.name == name in list_models()
    assert not config.task.train_data.flip


@pytest.mark.parametrize(
    "text, message",
    [
        ("task.num_classes=0", "task.num_classes: expected 1 or more"),
        ("task.losses.weight_decay=-1.0", "weight_decay: expected 0 or more"),
        (
            "task.train_data.image_size_px=0",
            "image_size_px: expected 1 or more",
        ),
        ("task.train_data.crop_size_px=3", "crop_size_px: unknown option"),
        ("task.validation_data.drop_remainder=false", "has no effect here"),
        ("task.model.aspp=true", "task.model.aspp: unknown option"),
    ],
)
def test_bad_option_is_named(text, message):
    with pytest.raises(ValueError, match=message):
        config_options.experiment_config(
            "imagenet_axial_resnet_s", params_override=text
        )
