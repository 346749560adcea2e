from tests.experiments.fixtures import *  # noqa: F403
