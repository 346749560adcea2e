import pytest

from axial_deeplab.experiments import classification_configs, config_options
from axial_deeplab.models.presets import list_models
from axial_deeplab.optimization import WarmUpCosine

BATCHES = classification_configs.IMAGENET_BATCH_SIZES


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
