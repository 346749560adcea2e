"""Costs by kind, and the ways in which papers add them up.

arXiv:2003.07853 prints parameters and multiply-adds without saying what it
counts. The accounts and the element-wise terms here are those that come
nearest to all its tables at once; they are inferred, not stated there.
"""

import collections
import dataclasses

# Multiply-adds an element of each element-wise term, fitted to the tables.
ELEMENT_COSTS = {
    "logits": 1.5,  # of each term of each pair, in each head
    "attention_norm": 1.0,  # of projections and of retrieved outputs
    "residual": 0.5,
    "max_pool": 4.5,  # of the output, 3x3 window
}

_PAPER = frozenset({"kernel", "bias", "position", "norm"})
# Kinds of parameters that an account leaves out nothing of but the others.
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
        unknown = set(self.elements) - set(ELEMENT_COSTS)
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

    def tally(self) -> float:
        """Multiply-adds with the element-wise terms."""
        return self.multiply_adds + sum(
            ELEMENT_COSTS[term] * n for term, n in self.elements.items()
        )
