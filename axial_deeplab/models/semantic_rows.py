"""The table of semantic models: a row is a backbone and a decoder."""

import dataclasses

from axial_deeplab.backbones.axial_vit import AXIAL_VITS, AxialViTSpec
from axial_deeplab.backbones.mscan import MSCANS, MSCANSpec


@dataclasses.dataclass(frozen=True)
class SemanticSpec:
    """A row: backbone, width of the decoder, rank of its factorisation."""

    backbone: MSCANSpec | AxialViTSpec
    filters: int = 256
    rank: int = 16


# arXiv:2209.08575, Table 2; ranks of the public configurations.
SEGNEXTS = {
    "segnext_t": SemanticSpec(MSCANS["mscan_t"]),
    "segnext_s": SemanticSpec(MSCANS["mscan_s"]),
    "segnext_b": SemanticSpec(MSCANS["mscan_b"], filters=512, rank=64),
    "segnext_l": SemanticSpec(MSCANS["mscan_l"], filters=1024, rank=64),
}

# Ours: the same decoder around the axial vision transformers.
SEMANTIC_AXIAL_VITS = {
    f"semantic_{name}": SemanticSpec(row) for name, row in AXIAL_VITS.items()
}
