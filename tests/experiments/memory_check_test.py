import pytest

from axial_deeplab.experiments import memory_check
from tests.experiments import case
from tests.experiments.trainer_case import names, run

GIB = 2**30


def test_bound_is_the_sum_of_all_convolutions():
    model = case.toy_model()
    # The stem has 8 channels, the heads all classes, 1 and 2; float32.
    channels = 8 + case.NUM_CLASSES + 1 + 2
    found = memory_check.needed_bytes(model, 2, (30, 20), recompute=False)
    assert found == 2 * 30 * 20 * channels * 4
    found = memory_check.needed_bytes(model, 2, (30, 20), recompute=True)
    assert found == 2 * (2 * 30 * 20 * case.NUM_CLASSES * 4)


def check(scenes, available, *more, replicas=(1, 1)):
    config = case.config(scenes, *more, crop_px=2000)
    model = case.toy_model()
    memory_check.check_memory(model, config, *replicas, available)


def test_what_fits_passes_and_what_does_not_says_what_to_change(scenes):
    needed = 2 * 2000**2 * (11 + case.NUM_CLASSES) * 4
    check(scenes, needed)
    with pytest.raises(
        ValueError, match="2 crops of 2000x2000 .* 0.6 GiB"
    ) as e:
        check(scenes, needed - 1)
    for option in ("accumulation_steps", "recompute", "crop"):
        assert option in f"{e.value}"
    check(scenes, needed // 2, "trainer.accumulation_steps=2")


def test_replicas_on_other_machines_take_no_memory_of_this_one(scenes):
    needed = 2 * 2000**2 * (11 + case.NUM_CLASSES) * 4
    check(scenes, needed // 2, replicas=(2, 1))
    with pytest.raises(ValueError, match="1 crops of 2000x2000"):
        check(scenes, needed // 2 - 1, replicas=(2, 1))
    with pytest.raises(ValueError, match="2 crops of 2000x2000"):
        check(scenes, needed // 2, replicas=(2, 2))


def test_a_run_that_cannot_fit_leaves_nothing(scenes, tmp_path, monkeypatch):
    case.use_toy_model(monkeypatch)
    monkeypatch.setattr(memory_check, "available_bytes", lambda: 2**20)
    with pytest.raises(ValueError, match="task.train_data"):
        run(scenes, tmp_path / "run", "train", crop_px=200)
    assert not names(tmp_path)


def test_this_machine_has_memory():
    assert GIB / 100 < memory_check.available_bytes() < 1e5 * GIB
