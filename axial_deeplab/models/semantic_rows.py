"""The table of semantic models: a row is a backbone and a decoder."""

import dataclasses

from axial_deeplab.backbones.mscan import MSCANS, MSCANSpec


@dataclasses.dataclass(frozen=True)
class SemanticSpec:
    """A row: backbone, width of the decoder, rank of its factorisation."""

    backbone: MSCANSpec
    filters: int = 256
    rank: int = 16


# arXiv:2209.08575, Table 2; ranks of the public configurations.
SEGNEXTS = {
    "segnext_t": SemanticSpec(MSCANS["mscan_t"]),
    "segnext_s": SemanticSpec(MSCANS["mscan_s"]),
    "segnext_b": SemanticSpec(MSCANS["mscan_b"], filters=512, rank=64),
    "segnext_l": SemanticSpec(MSCANS["mscan_l"], filters=1024, rank=64),
}
