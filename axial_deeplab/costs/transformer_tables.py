"""Tables of the axial vision transformers: ours, with nothing to compare to."""

from axial_deeplab.backbones.axial_vit import AXIAL_VITS
from axial_deeplab.costs.table_rows import Row, Table


def _table(
    title: str, size_px: tuple[int, int], prefix: str = "", **options: int
) -> Table:
    rows = tuple(
        Row(name, f"{prefix}{name}", options, account="full")
        for name in AXIAL_VITS
    )
    return Table(title, "", size_px, rows, exact_grid=True)


CLASSIFIERS = _table("Axial vision transformers, 1000 classes", (224, 224))
SEMANTIC = _table(
    "Axial vision transformers with SegNeXt's decoder, 150 classes",
    (512, 512),
    "semantic_",
)
PANOPTIC = _table(
    "Axial vision transformers in Panoptic-DeepLab, 19 classes",
    (1025, 2049),
    "panoptic_deeplab_",
    num_classes=19,
)
