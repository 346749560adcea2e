"""Where an experiment runs: the strategy that its runtime options describe."""

import json
import os

import tensorflow as tf
from official.common import distribute_utils
from official.core import config_definitions as cfg

MULTI_WORKER = "multi_worker_mirrored"


def make_strategy(runtime: cfg.RuntimeConfig) -> tf.distribute.Strategy:
    """The strategy of `runtime`; call it before TensorFlow does any work.

    `runtime.tpu` (an address, or "local" on a TPU machine) means a TPU
    whatever `distribution_strategy` says. Where `num_gpus` is 0, "mirrored"
    takes all GPUs that TensorFlow sees, or else all logical CPU devices, and
    "one_device" the first of them. "multi_worker_mirrored" takes the cluster
    of the environment variable TF_CONFIG or else of `worker_hosts` and
    `task_index`.

    Raises:
      ValueError: the options contradict each other, or the machine.
      ConnectionError: there is no such TPU.
    """
    name = "tpu" if runtime.tpu else f"{runtime.distribution_strategy}".lower()
    if name == MULTI_WORKER:
        return _multi_worker_strategy(runtime)
    if runtime.worker_hosts:
        raise ValueError(
            "runtime.worker_hosts needs runtime.distribution_strategy="
            f"{MULTI_WORKER}; got {name!r}."
        )
    if name == "tpu":
        return _tpu_strategy(runtime)
    found = len(tf.config.list_logical_devices("GPU"))
    if runtime.num_gpus > found:
        # TensorFlow would put their work elsewhere, without a word.
        raise ValueError(
            f"runtime.num_gpus={runtime.num_gpus}, but TensorFlow sees {found}."
        )
    if name in _ON_ONE_MACHINE and not runtime.num_gpus:
        # Model Garden would take the first CPU device, even beside GPUs.
        return _ON_ONE_MACHINE[name](_devices())
    return distribute_utils.get_distribution_strategy(
        distribution_strategy=name,
        all_reduce_alg=runtime.all_reduce_alg,
        num_packs=runtime.num_packs,
        num_gpus=runtime.num_gpus,
    )


def _devices() -> list[str]:
    """All GPUs, or else all CPU devices."""
    found = tf.config.list_logical_devices("GPU")
    found = found or tf.config.list_logical_devices("CPU")
    return [device.name for device in found]


_ON_ONE_MACHINE = {
    "mirrored": tf.distribute.MirroredStrategy,
    "one_device": lambda devices: tf.distribute.OneDeviceStrategy(devices[0]),
}


def _multi_worker_strategy(
    runtime: cfg.RuntimeConfig,
) -> tf.distribute.Strategy:
    _configure_cluster(runtime)
    known = {None: "AUTO", "ring": "RING", "nccl": "NCCL"}
    if runtime.all_reduce_alg not in known:
        raise ValueError(
            f"With {MULTI_WORKER}, runtime.all_reduce_alg must be ring or "
            f"nccl; got {runtime.all_reduce_alg!r}."
        )
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=getattr(
            tf.distribute.experimental.CommunicationImplementation,
            known[runtime.all_reduce_alg],
        )
    )
    return tf.distribute.MultiWorkerMirroredStrategy(
        communication_options=options
    )


def _configure_cluster(runtime: cfg.RuntimeConfig) -> None:
    """Writes TF_CONFIG, unless it is there already."""
    given = os.environ.get("TF_CONFIG", "")
    if given.strip() not in ("", "{}"):
        try:
            json.loads(given)["cluster"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "The environment variable TF_CONFIG must be JSON with "
                f"'cluster' and 'task'; got {given!r}."
            ) from error
        return
    hosts = [host for host in (runtime.worker_hosts or "").split(",") if host]
    if len(hosts) > 1 and not 0 <= runtime.task_index < len(hosts):
        raise ValueError(
            f"runtime.task_index must be 0 to {len(hosts) - 1}, the place of "
            "this worker in runtime.worker_hosts; got "
            f"{runtime.task_index}."
        )
    distribute_utils.configure_cluster(",".join(hosts), runtime.task_index)


def _tpu_strategy(runtime: cfg.RuntimeConfig) -> tf.distribute.Strategy:
    if not runtime.tpu:
        raise ValueError(
            "runtime.distribution_strategy=tpu needs --tpu: local on a TPU "
            "machine, or the name or grpc:// address of a TPU."
        )
    try:
        return distribute_utils.get_distribution_strategy(
            distribution_strategy="tpu", tpu_address=runtime.tpu
        )
    except (tf.errors.OpError, OSError, RuntimeError, ValueError) as error:
        first_line = f"{error}".strip().splitlines()[0]
        raise ConnectionError(
            f"--tpu={runtime.tpu}: no TPU can be used there: {first_line}"
        ) from error
