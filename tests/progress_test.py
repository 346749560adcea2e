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


def test_unknown_total_shows_the_time_that_passed(clock):
    bar = progress.ProgressBar(None, "evaluating", "images", io.StringIO())
    assert bar.line() == "evaluating: 0 images"
    clock.now += 20
    bar.update(5)
    assert bar.line() == ("evaluating: 5 images, 0.25 images/s, 0:00:20 so far")
    bar.close()
    assert bar.line().endswith("0:00:20 in all")


@pytest.mark.parametrize("total", [100, None])
def test_log_gets_a_line_every_half_minute_and_the_last(clock, total):
    stream = io.StringIO()
    with progress.ProgressBar(total, "val", stream=stream) as bar:
        for _ in range(100):
            clock.now += 0.7
            bar.update()
    lines = stream.getvalue().splitlines()
    assert [re.match(r"val: (\d+)", line)[1] for line in lines] == [
        "43",
        "86",
        "100",
    ]
    assert lines[-1].endswith("0:01:10 in all")


@pytest.mark.parametrize("seconds, lines", [(2.9, 0), (3.1, 1)])
def test_log_is_spared_short_work(clock, seconds, lines):
    stream = io.StringIO()
    with progress.ProgressBar(1, "val", stream=stream) as bar:
        clock.now += seconds
        bar.update()
    assert stream.getvalue().count("val: 1/1") == lines


def test_log_gets_nothing_after_an_exception(clock):
    stream = io.StringIO()
    with pytest.raises(KeyError):
        with progress.ProgressBar(3, "val", stream=stream) as bar:
            clock.now += 10
            bar.update()
            raise KeyError
    assert stream.getvalue() == ""


def test_terminal_redraws_one_line_and_ends_it(clock):
    stream = Terminal()
    with progress.ProgressBar(3, "val", stream=stream) as bar:
        clock.now += 1
        bar.update()
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert text.count("\rval: 1/3") == 2


def test_terminal_line_is_cleared_for_an_exception(clock):
    stream = Terminal()
    with pytest.raises(KeyError):
        with progress.ProgressBar(3, "val", stream=stream) as bar:
            clock.now += 1
            bar.update()
            raise KeyError
    assert stream.getvalue().endswith("\r\x1b[K")


def test_track_yields_and_counts_the_items(clock, capsys):
    items = progress.track("abc", 3, "letters")
    taken = []
    for item in items:
        taken.append(item)
        clock.now += 2
    assert taken == ["a", "b", "c"]
    assert "letters: 3/3" in capsys.readouterr().err
