"""How the processes that run the tests share a machine."""

import gc
import os

# There is one process for each core; before TensorFlow is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")


def pytest_collection_finish() -> None:
    """Takes what all modules hold out of the search for garbage.

    It is a million objects, which tracing would have searched again and again.
    """
    gc.collect()
    gc.freeze()
