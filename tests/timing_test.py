import gc
import time

import tensorflow as tf

from axial_deeplab import timing


def test_collects_first_and_waits_for_the_device(monkeypatch):
    events = []
    monkeypatch.setattr(gc, "collect", lambda: events.append("collected"))

    def wait() -> None:
        time.sleep(0.02)
        events.append("waited")

    monkeypatch.setattr(tf.test.experimental, "sync_devices", wait)
    assert timing.seconds_of(lambda: events.append("called")) >= 0.02
    assert events == ["collected", "called", "waited"]
