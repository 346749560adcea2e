"""Trainable parameter counts of all models with an axial transformer."""

from tests.reference import axial_vit_counts as vit

_PANOPTIC, _CITYSCAPES = "panoptic_deeplab_axial_vit", {"num_classes": 19}

# Rows of `model_counts.COUNTS`.
AXIAL_VIT_COUNTS = [
    ("axial_vit_tiny", {}, 4_147_432, vit.classifier(*vit.TINY)),
    ("axial_vit_small", {}, 17_672_680, vit.classifier(*vit.SMALL)),
    ("axial_vit_base", {}, 53_384_680, vit.classifier(*vit.BASE)),
    *(
        (f"{_PANOPTIC}_{size}", _CITYSCAPES, count, described)
        for size, count, described in (
            ("tiny", 4_232_134, vit.panoptic(*vit.TINY, 19)),
            ("small", 17_621_190, vit.panoptic(*vit.SMALL, 19)),
            ("base", 53_196_998, vit.panoptic(*vit.BASE, 19)),
        )
    ),
    ("semantic_axial_vit_tiny", {}, 4_242_070, vit.semantic(*vit.TINY)),
    ("semantic_axial_vit_small", {}, 17_626_006, vit.semantic(*vit.SMALL)),
    ("semantic_axial_vit_base", {}, 53_196_694, vit.semantic(*vit.BASE)),
]

AXIAL_VIT_BACKBONE_COUNTS = {
    f"{prefix}axial_vit_{size}": count
    for prefix in ("", "panoptic_deeplab_", "semantic_")
    for size, count in (
        ("tiny", 3_890_432),
        ("small", 17_159_680),
        ("base", 52_615_680),
    )
}
