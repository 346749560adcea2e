import numpy as np

from axial_deeplab.checkpoints.memory import peak_bytes, resident_bytes

_BYTES = 2**28


def test_what_was_occupied_is_remembered():
    """Pages count once they are written to."""
    before = resident_bytes()
    held = np.ones(_BYTES, np.uint8)
    assert resident_bytes() - before > 0.9 * _BYTES
    del held
    assert peak_bytes() - before > 0.9 * _BYTES
    assert resident_bytes() - before < 0.5 * _BYTES
