import contextlib
import json
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.integration import fit_case

PROJECT = pathlib.Path(__file__).resolve().parents[2]
_PROCESS = "tests.integration.fit_process"
_SECONDS = 240  # far more than it takes on a busy machine


def _free_ports(count):
    """Of 127.0.0.1; all are held until the last is found."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [str(one.getsockname()[1]) for one in sockets]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What both processes of `fit_process` found."""
    folder, ports = tmp_path_factory.mktemp("workers"), _free_ports(2)
    processes = []
    try:
        for worker in "01":
            with open(folder / f"log_{worker}", "w") as log:
                command = [
                    sys.executable,
                    "-m",
                    _PROCESS,
                ]
                command += [str(folder), worker, *ports]
                processes.append(
                    subprocess.Popen(
                        command, cwd=PROJECT, stdout=log, stderr=log
                    )
                )
        for worker, process in enumerate(processes):
            status = process.wait(_SECONDS)
            log = (folder / f"log_{worker}").read_text()
            assert status == 0, log[-3000:]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [
        json.loads((folder / f"found_{worker}.json").read_text())
        for worker in "01"
    ]


def test_workers_devices_and_one_device_train_alike(found):
    """To 1e-4 after all steps, moving statistics included."""
    first, second = found
    assert [first["devices"], second["devices"]] == [2, 1]
    expected = np.array(second["alone"]["weights"])
    for run in (first["alone"], first["together"], second["together"]):
        assert run["steps"] == fit_case.EPOCHS * fit_case.STEPS
        np.testing.assert_allclose(run["weights"], expected, rtol=0, atol=1e-4)


def test_all_count_the_same_segments(found):
    """Nine images: neither two devices nor two workers divide them."""
    first, second = found
    expected = second["alone"]["history"]
    assert len(set(expected["val_pq"])) > 1
    for run in (first["alone"], first["together"], second["together"]):
        history = run["history"]
        epochs = len(history["loss"])
        for name, values in expected.items():
            if name.startswith("val_"):
                assert history[name] == pytest.approx(values[-epochs:], 1e-6)
    assert first["together"]["history"] == second["together"]["history"]


def test_workers_resume_in_step_and_save_the_best(found):
    for one in found:
        run = one["together"]
        assert run["interrupted"] and len(run["history"]["loss"]) == 1
        assert run["best"] and one["alone"]["best"]


def test_what_a_step_reduces_is_gradients_and_statistics(found):
    """At the collectives of the graph: 4 bytes for each of these numbers."""
    model = fit_case.model()
    gradients = sum(w.shape.num_elements() for w in model.trainable_weights)
    # Sums, sums of squares and the count of pixels; forward and backward.
    channels = 4
    statistics = 2 * (2 * channels + 1)
    # What Keras shows: totals and counts of three losses and of their sum.
    shown = 2 * 4
    for one in found:
        assert one["reduced_bytes"] == 4 * (gradients + statistics + shown)
