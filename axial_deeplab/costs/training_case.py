"""What a measured training step is made of."""

import dataclasses
from collections.abc import Mapping
from typing import Any

DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class TrainingCase:
    """One kind of step.

    Attributes:
      model: name for `create_model`, of a panoptic or semantic model.
      options: for `create_model`.
      size_px: (height, width) of the crops.
      batch: images in a step, over all replicas.
      replicas: devices that share them; on a CPU they share its cores, too.
      accumulation: parts of the batch, one after the other through the model.
      dtype: of activations, one of `DTYPES`; weights stay float32.
      label: what the table calls it.

    Raises:
      ValueError: a data type that is none, replicas that cannot share, or
        parts that are not equal.
    """

    model: str
    options: Mapping[str, Any]
    size_px: tuple[int, int]
    batch: int = 2
    replicas: int = 1
    accumulation: int = 1
    dtype: str = "float32"
    label: str = "as given"

    def __post_init__(self):
        if self.dtype not in DTYPES:
            raise ValueError(
                f"dtype must be one of {', '.join(DTYPES)}; got {self.dtype!r}."
            )
        for name in ("batch", "replicas", "accumulation"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be at least 1; got {value!r}.")
        if self.batch % self.replicas:
            raise ValueError(
                f"{self.replicas} replicas cannot share a batch of "
                f"{self.batch} images evenly."
            )

        if self.accumulation > 1 and self.replicas > 1:
            raise ValueError("accumulation is measured on one replica.")
        if self.batch % self.accumulation:
            raise ValueError(
                f"{self.accumulation} parts of a batch of {self.batch} images "
                "are not equal."
            )

    @property
    def call(self) -> str:
        """Model, options and data type in one line."""
        options = [f"{name}={value}" for name, value in self.options.items()]
        dtype = [] if self.dtype == "float32" else [self.dtype]
        return " ".join([self.model, *options, *dtype])

    def changed(self, name: str, value: Any) -> "TrainingCase":
        """This case with one field, or else one option, of another value."""
        label = f"{name}={value}"
        if name == "size_px":
            label = f"size={value[0]}x{value[1]}"
        fields = {one.name for one in dataclasses.fields(self)}
        if name in fields - {"model", "options", "label"}:
            return dataclasses.replace(self, label=label, **{name: value})
        options = {**self.options, name: value}
        return dataclasses.replace(self, label=label, options=options)
