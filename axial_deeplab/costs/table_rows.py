"""Tables of papers as data: what they print, and what it is called here."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
      label: the method, as the paper calls it.
      model: name for `create_model`; None: not in this package.
      options: for `create_model`, beside the name.
      parameters: millions, as printed; None: not printed.
      multiply_adds: billions, as printed; None: not printed.
      published: accuracy of the authors' model, as printed.
      account: of `cost.ACCOUNTS`, the one that the printed count needs.
      scales: of multi-scale inference, on the image and its mirror image;
        empty: the image alone.
    """

    label: str
    model: str | None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parameters: float | None = None
    multiply_adds: float | None = None
    published: str = ""
    account: str = "paper"
    scales: tuple[float, ...] = ()

    @property
    def call(self) -> str:
        """Name and options in one line; empty if there is no model."""
        options = [f"{name}={value}" for name, value in self.options.items()]
        return " ".join([self.model or "", *options])


@dataclasses.dataclass(frozen=True)
class Table:
    """A table and what its rows have in common.

    Attributes:
      title: where it is from and what it is about.
      metric: what `published` holds.
      size_px: (height, width) of the image.
      rows: its lines.
      exact_grid: whether features have the sizes that layers give them. The
        paper's numbers need sizes that are the image's divided by the stride,
        fractions of pixels included.
      flops: it prints floating-point operations, two a multiply-add, and of
        products only.
      rules: of `cost.ELEMENT_COSTS`, what element-wise terms cost there.
      digit: value of the last printed digit of multiply-adds, in billions.
    """

    title: str
    metric: str
    size_px: tuple[int, int]
    rows: tuple[Row, ...]
    exact_grid: bool = False
    flops: bool = False
    rules: str = "axial"
    digit: float = 0.1
