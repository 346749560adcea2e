"""The processes that train together, and what they tell each other."""

import json
from typing import Any

import numpy as np
import tensorflow as tf


class Workers:
    """The workers of a strategy; one, its own chief, where it has no cluster.

    All methods that exchange something must be called by all workers, in the
    same order: who is alone in a call waits for the others.

    Args:
      strategy: any of TensorFlow.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self._strategy = strategy
        self.count, self.index = 1, 0
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            hosts = resolver.cluster_spec().as_dict()
            chiefs = len(hosts.get("chief", []))
            self.count = max(1, chiefs + len(hosts.get("worker", [])))
            if self.count > 1:
                self.index = resolver.task_id
                self.index += chiefs * (resolver.task_type == "worker")
        self.replicas = strategy.num_replicas_in_sync // self.count  # of each

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes files and lines."""
        return self.index == 0

    def summed(self, values: np.ndarray) -> np.ndarray:
        """The sum over all workers, equal on all of them."""
        if self.count == 1:
            return values

        def of_replica(
            context: tf.distribute.experimental.ValueContext,
        ) -> tf.Tensor:
            number = context.replica_id_in_sync_group
            is_first = number % self.replicas == 0
            return tf.constant(values if is_first else np.zeros_like(values))

        with self._strategy.scope():
            own = self._strategy.experimental_distribute_values_from_function(
                of_replica
            )
            return self._strategy.reduce("SUM", own, axis=None).numpy()

    def gathered(self, value: Any) -> list[Any]:
        """The values of all workers, in their order.

        Values are what JSON can hold; tuples come back as lists.
        """
        if self.count == 1:
            return [value]
        content = json.dumps(value).encode()
        lengths = np.zeros(self.count, np.int64)
        lengths[self.index] = len(content)
        lengths = self.summed(lengths)
        # Four bytes a number; each has one worker that adds more than zeros.
        rows = np.zeros([self.count, -(-max(lengths) // 4) * 4], np.uint8)
        rows[self.index, : len(content)] = np.frombuffer(content, np.uint8)
        rows = self.summed(rows.view(np.int32)).view(np.uint8)
        return [
            json.loads(row[:length].tobytes())
            for row, length in zip(rows, lengths, strict=True)
        ]

    def of_chief(self, value: Any) -> Any:
        """What the chief calls with, whatever the others call with."""
        return self.gathered(value)[0]

    def merged(self, metric: Any) -> Any:
        """The metric over the images of all workers.

        Args:
          metric: has `state` and `add_state`, as those of `evaluation`.
        """
        for worker, state in enumerate(self.gathered(metric.state())):
            if worker != self.index:
                metric.add_state(state)
        return metric

    def wait(self) -> None:
        """Returns when all workers have come here."""
        self.summed(np.zeros(1, np.int32))
