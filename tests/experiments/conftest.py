from tests.experiments.fixtures import (
    scenes,
    tiny_axial_deeplab,
    toy_model,
    trained,
    trained_once,
)

__all__ = [
    "scenes",
    "tiny_axial_deeplab",
    "toy_model",
    "trained",
    "trained_once",
]
