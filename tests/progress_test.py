import io
import re

import pytest

from axial_deeplab import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


def test_line_tells_rate_and_time_left(clock):
    bar = progress.ProgressBar(50, "train", "scenes", io.StringIO())
    assert bar.line() == "train: 0/50 scenes"
    clock.now += 10
    bar.update(5)
    assert bar.line() == "train: 5/50 scenes, 0.5 scenes/s, 0:01:30 left"
    clock.now += 3600
    bar.update(45)
    assert bar.line().endswith("1:00:10 in all")


def test_log_gets_a_line_every_half_minute_and_the_last(clock):
    stream = io.StringIO()
    with progress.ProgressBar(100, "val", stream=stream) as bar:
        for _ in range(100):
            clock.now += 0.7
            bar.update()
    lines = stream.getvalue().splitlines()
    assert [re.match(r"val: (\d+)/", line)[1] for line in lines] == [
        "43",
        "86",
        "100",
    ]


def test_terminal_redraws_one_line_and_ends_it(clock):
    stream = Terminal()
    with pytest.raises(KeyError):
        with progress.ProgressBar(3, "val", stream=stream) as bar:
            clock.now += 1
            bar.update()
            raise KeyError
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert text.count("\rval: 1/3") == 2


def test_track_yields_the_items(capsys):
    assert list(progress.track("abc", 3, "letters")) == ["a", "b", "c"]
    assert "letters: 3/3" in capsys.readouterr().err
