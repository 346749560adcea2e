from axial_deeplab.data.augment import Augmentation
from axial_deeplab.experiments.configs import (
    PanopticDataConfig,
    PanopticTaskConfig,
)
from axial_deeplab.experiments.panoptic_task import pipeline_config


def test_augmentation_options_reach_the_pipeline():
    params = PanopticDataConfig(
        input_path="train-*",
        crop_size_px=[33, 65],
        global_batch_size=2,
        is_training=True,
        resize_long_side_px=64,
        resize_short_side_px=32,
        scale_range=[0.5, 2.0],
        scale_step=0.0,
        flip=False,
        colour="photometric_distortion",
        largest_class_share=0.75,
        cache=True,
    )
    config = pipeline_config(params, PanopticTaskConfig())
    assert config.augmentation == Augmentation(
        scale_range=(0.5, 2.0),
        scale_step=0.0,
        flip=False,
        colour="photometric_distortion",
        largest_class_share=0.75,
    )
    sizes = config.resize_long_side_px, config.resize_short_side_px
    assert sizes == (64, 32) and config.crop_size_px == (33, 65)
    assert config.cache and config.training and config.repeat
