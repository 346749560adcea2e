import pytest

from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.experiments import config_options
from axial_deeplab.experiments.panoptic_configs import PANOPTIC_EXPERIMENTS
from axial_deeplab.experiments.panoptic_task import pipeline_config
from axial_deeplab.models.panoptic_rows import (
    AXIAL_DEEPLABS,
    PANOPTIC_AXIAL_VITS,
    PANOPTIC_DEEPLABS,
)

# Data set: classes; steps, batch; crops of training and evaluation; longer
# side before that; post-processing.
PUBLISHED = {
    "coco": (134, 200_000, 64, (1025, 1025), (1025, 1025), 1025, 41, 4096),
    "cityscapes": (19, 60_000, 32, (1025, 2049), (1025, 2049), None, 13, 2048),
    "mapillary": (65, 150_000, 64, (1025, 1025), (2177, 2177), 2177, 13, 2048),
}
# Those of the paper's tables, and ours.
PUBLISHED_MODELS = {*AXIAL_DEEPLABS, *PANOPTIC_DEEPLABS} - {"axial_deeplab_xs"}
MODELS = sorted({*PUBLISHED_MODELS, *PANOPTIC_AXIAL_VITS})


def test_every_published_model_has_an_experiment_of_every_data_set():
    names = {f"{model}_{data}" for model in MODELS for data in PUBLISHED}
    assert set(PANOPTIC_EXPERIMENTS) == names | {"axial_deeplab_shapes"}
    assert (len(PUBLISHED_MODELS), len(MODELS)) == (9, 12)


def pipelines(config):
    return [
        pipeline_config(data.replace(input_path="some"), config.task)
        for data in (config.task.train_data, config.task.validation_data)
    ]


@pytest.mark.parametrize("data", PUBLISHED)
@pytest.mark.parametrize("model", MODELS)
def test_recipe(model, data):
    config = config_options.experiment_config(f"{model}_{data}")
    classes, steps, batch, crop, whole, long, kernel, stuff = PUBLISHED[data]
    task = config.task
    assert dataset_spec(task.dataset).num_classes == classes
    assert (task.model.name, task.model.output_stride) == (model, 16)
    assert task.model.span == (65 if model.startswith("axial") else None)
    drop_path = 0.1 if model in PANOPTIC_AXIAL_VITS else 0.0
    assert (task.model.drop_path, task.model.recompute) == (drop_path, True)
    assert config.trainer.train_steps == steps
    rate = config.trainer.optimizer_config.learning_rate.warmup_poly
    assert (rate.base_learning_rate, rate.power) == (1e-3, 0.9)
    assert task.train_data.global_batch_size == batch
    train, evaluation = pipelines(config)
    assert (train.crop_size_px, evaluation.crop_size_px) == (crop, whole)
    assert train.resize_long_side_px == evaluation.resize_long_side_px == long
    assert task.postprocess.nms_kernel_px == kernel
    assert task.postprocess.stuff_area_limit_px == stuff
