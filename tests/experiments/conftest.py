from tests.experiments.fixtures import scenes, tiny_axial_deeplab, toy_model

__all__ = ["scenes", "tiny_axial_deeplab", "toy_model"]
