"""The trainings whose cost is estimated are those of the experiments."""

import pytest

from axial_deeplab.costs.training_estimates import RECIPES
from axial_deeplab.data.dataset_specs import dataset_spec
from axial_deeplab.experiments.panoptic_configs import PANOPTIC_EXPERIMENTS


@pytest.mark.parametrize(
    "name, model",
    [(name, model) for name in RECIPES for model in RECIPES[name].models],
)
def test_recipes_are_those_of_the_experiments(name, model):
    recipe, config = RECIPES[name], PANOPTIC_EXPERIMENTS[f"{model}_{name}"]()
    data = config.task.train_data
    assert recipe.crop_px == tuple(data.crop_size_px)
    assert recipe.batch == data.global_batch_size
    assert recipe.steps == config.trainer.train_steps
    assert recipe.classes == dataset_spec(config.task.dataset).num_classes
    span = 65 if model.startswith("axial_") else None
    assert config.task.model.span == span and config.task.model.recompute
