import gc
import time

from axial_deeplab import timing


class Result:
    """Takes its time until it is there."""

    def __init__(self, events: list[str]):
        self.events = events

    def numpy(self) -> None:
        time.sleep(0.01)
        self.events.append("waited")


def test_collects_first_and_waits_for_every_result(monkeypatch):
    events = []
    monkeypatch.setattr(gc, "collect", lambda: events.append("collected"))

    def run() -> dict[str, Result]:
        events.append("called")
        return {"a": Result(events), "b": Result(events)}

    assert timing.seconds_of(run) >= 0.02
    assert events == ["collected", "called", "waited", "waited"]
