import json

import pytest
import tensorflow as tf
from official.core import config_definitions as cfg

from axial_deeplab.experiments import strategies
from axial_deeplab.experiments.config_checks import check_for_workers
from axial_deeplab.experiments.strategies import make_strategy
from axial_deeplab.workers import Workers
from tests.experiments import case


def runtime(**options):
    return cfg.RuntimeConfig(options)


HOSTS = "127.0.0.1:1,127.0.0.1:2"
MULTI = {"distribution_strategy": "multi_worker_mirrored"}


@pytest.mark.parametrize(
    "options, message",
    [
        ({"worker_hosts": HOSTS}, "worker_hosts needs .*multi_worker_mirrored"),
        (MULTI | {"worker_hosts": HOSTS}, "must be 0 to 1, .* got -1"),
        (
            MULTI | {"worker_hosts": HOSTS, "task_index": 2},
            "must be 0 to 1, .* got 2",
        ),
        (MULTI | {"all_reduce_alg": "tree"}, "ring or nccl; got 'tree'"),
        ({"distribution_strategy": "tpu"}, "tpu needs --tpu: local"),
        ({"distribution_strategy": "many"}, "'many'"),
        ({"num_gpus": 2}, "num_gpus=2, but TensorFlow sees 0"),
        (
            {"num_gpus": 1, "distribution_strategy": "one_device"},
            "num_gpus=1, but TensorFlow sees 0",
        ),
    ],
)
def test_options_that_contradict_are_named(options, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=message):
        make_strategy(runtime(**options))


@pytest.mark.parametrize("value", ["{", '{"task": {}}'])
def test_malformed_cluster_is_named(value, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", value)
    with pytest.raises(ValueError, match="TF_CONFIG must be JSON"):
        make_strategy(runtime(**MULTI))


def test_missing_tpu_is_named():
    with pytest.raises(ConnectionError, match="--tpu=local: no TPU can be"):
        make_strategy(runtime(tpu="local"))


def test_strategies_of_one_machine():
    one = make_strategy(runtime(distribution_strategy="one_device"))
    assert type(one) is tf.distribute.OneDeviceStrategy
    mirrored = make_strategy(runtime())
    assert type(mirrored) is tf.distribute.MirroredStrategy
    devices = len(tf.config.list_logical_devices("CPU"))
    assert mirrored.num_replicas_in_sync == devices
    workers = Workers(mirrored)
    assert workers.count == 1 and workers.is_chief
    assert workers.gathered("a") == ["a"] and workers.of_chief("b") == "b"


def test_gpus_are_used_without_being_counted(monkeypatch):
    """Whatever they are: here, CPU devices stand in for two of them."""
    cpu = tf.config.list_logical_devices("CPU")[0]
    monkeypatch.setattr(
        tf.config,
        "list_logical_devices",
        lambda kind: {"GPU": [cpu, cpu._replace(name="/device:CPU:1")]}[kind],
    )
    taken = []
    monkeypatch.setitem(strategies._ON_ONE_MACHINE, "mirrored", taken.append)
    make_strategy(runtime())
    assert taken == [["/device:CPU:0", "/device:CPU:1"]]
    one = make_strategy(runtime(distribution_strategy="one_device"))
    assert one.extended.worker_devices[0].endswith(cpu.name)


@pytest.mark.parametrize(
    "options, mode, message",
    [
        (("task.train_data.seed=null",), "train", "train_data.seed must be"),
        (("task.prediction_subdir=maps",), "eval", "prediction_subdir does"),
        (
            ("task.validation_data.drop_remainder=true",),
            "train_and_eval",
            "drop_remainder does not work",
        ),
        ((), "continuous_eval", "beside the workers, on one"),
    ],
)
def test_what_several_workers_cannot_do_is_named(
    tmp_path, options, mode, message
):
    config = case.config(tmp_path, *options)
    with pytest.raises(ValueError, match=message):
        check_for_workers(config, mode)
    check_for_workers(case.config(tmp_path), "train_and_eval")


def test_workers_merge_what_they_counted(monkeypatch):
    """Two workers, of which the other counted the same."""

    class Count:
        def __init__(self):
            self.values = [1]

        def state(self):
            return list(self.values)

        def add_state(self, state):
            self.values += state

    workers = Workers(tf.distribute.get_strategy())
    monkeypatch.setattr(workers, "gathered", lambda state: [state, [2]])
    assert workers.merged(Count()).values == [1, 2]
    assert json.dumps(workers.of_chief(3)) == "3"
