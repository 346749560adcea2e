"""Costs by kind, and the ways in which papers add them up.

arXiv:2003.07853 prints parameters and multiply-adds without saying what it
counts. The accounts and the element-wise terms here are those that come
nearest to all its tables at once; they are inferred, not stated there.
arXiv:2209.08575 names its profiler, whose terms are known.
"""

import collections
import dataclasses

# Multiply-adds an element of each element-wise term, by the rules of a paper.
# What a paper does not name costs nothing there.
ELEMENT_COSTS = {
    "axial": {  # arXiv:2003.07853, fitted to its tables
        "logits": 1.5,  # of each term of each pair, in each head
        "attention_norm": 1.0,  # of projections and of retrieved outputs
        "residual": 0.5,
        "max_pool": 4.5,  # of the output, 3x3 window
    },
    "segnext": {  # arXiv:2209.08575, those of its profiler
        "norm": 1.0,  # of convolutions
        "product": 1.0,  # of two maps, or of a map and a factor
        "resize": 4.0,  # bilinear, of the output
    },
}
_TERMS = frozenset(term for costs in ELEMENT_COSTS.values() for term in costs)

_PAPER = frozenset({"kernel", "bias", "scale", "position", "norm"})
# The kinds of parameters that count.
ACCOUNTS = {
    "full": _PAPER
    | {"decoder_norm", "projection_norm", "logit_norm", "output_norm"},
    # Norms inside attention layers and decoders do not count.
    "paper": _PAPER,
    # The five widths of position-sensitive attention need two of them.
    "position_sensitive": _PAPER | {"logit_norm", "output_norm"},
    # arXiv:1906.05909: no norms at all.
    "kernels": _PAPER - {"norm"},
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a part of a model costs for one image.

    Attributes:
      multiply_adds: of kernels, logits and retrieved values.
      elements: numbers of elements by term of `ELEMENT_COSTS`.
      parameters: trainable scalars by kind, see `ACCOUNTS`.
    """

    multiply_adds: int = 0
    elements: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    parameters: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )

    def __post_init__(self):
        unknown = set(self.elements) - _TERMS
        unknown |= set(self.parameters) - ACCOUNTS["full"]
        if unknown:
            raise ValueError(f"Unknown kinds of cost: {sorted(unknown)}.")

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.multiply_adds + other.multiply_adds,
            self.elements + other.elements,
            self.parameters + other.parameters,
        )

    def count(self, account: str = "full") -> int:
        """Trainable scalars of an account."""
        kinds = ACCOUNTS[account]
        return sum(n for kind, n in self.parameters.items() if kind in kinds)

    def tally(self, rules: str = "axial") -> float:
        """Multiply-adds with the element-wise terms of a paper."""
        costs = ELEMENT_COSTS[rules]
        return self.multiply_adds + sum(
            costs.get(term, 0.0) * n for term, n in self.elements.items()
        )
