"""Tables of SegNeXt: arXiv:2209.08575.

What it calls a FLOP is a multiply-add. The layouts of the ablations are
inferred from their counts.
"""

from axial_deeplab.costs.table_rows import Row, Table
from axial_deeplab.layers.scale_attention import LARGE_KERNEL

_METRIC = "mIoU, single / multi-scale"
_ACCOUNT = "full"
# Size, parameters, multiply-adds and mIoU at 512x512 and at 1024x2048.
_SIZES = (
    ("t", 4.3, 6.6, "41.1 / 42.2", 50.5, "79.8 / 81.4"),
    ("s", 13.9, 15.9, "44.3 / 45.8", 124.6, "81.3 / 82.7"),
    ("b", 27.6, 34.9, "48.5 / 49.9", 275.7, "82.6 / 83.8"),
    ("l", 48.9, 70.0, "51.0 / 52.1", 577.5, "83.2 / 83.9"),
)


def _row(label, model, options, parameters, multiply_adds, published):
    return Row(
        *(label, model, options, parameters, multiply_adds, published),
        account=_ACCOUNT,
    )


def _table(
    title: str, rows: tuple[Row, ...], size_px: tuple[int, int] = (512, 512)
) -> Table:
    return Table(
        title, _METRIC, size_px, rows, exact_grid=True, rules="segnext"
    )


ADE20K = _table(
    "SegNeXt, ADE20K val",
    tuple(
        _row(f"SegNeXt-{size.upper()}", f"segnext_{size}", {}, *printed[:3])
        for size, *printed in _SIZES
    ),
)
CITYSCAPES = _table(
    "SegNeXt, Cityscapes val",
    tuple(
        _row(
            f"SegNeXt-{size.upper()}",
            f"segnext_{size}",
            {"num_classes": 19},
            *(None, *printed[3:]),
        )
        for size, *printed in _SIZES
    ),
    (1024, 2048),
)
_ALTERNATIVES = (
    ("T, MLP", "t", {"decoder": "mlp"}, 4.4, 10.0, "40.3 / 41.1"),
    ("T, stage 4 only", "t", {"levels": ("5",)}, 4.2, 4.9, "30.9 / 40.6"),
    ("T, stages 2 to 4", "t", {}, 4.3, 6.6, "41.1 / 42.2"),
    (
        "T, stages 1 to 4",
        "t",
        {"levels": ("2", "3", "4", "5")},
        *(4.3, 12.1, "40.7 / 42.2"),
    ),
    (
        "T, without MSCA",
        "t",
        {"scales": LARGE_KERNEL},
        *(4.2, 6.5, "39.5 / 40.9"),
    ),
    (
        "S, without MSCA",
        "s",
        {"scales": LARGE_KERNEL},
        *(13.8, 15.8, "43.5 / 45.2"),
    ),
    *(
        (f"B, {label}", "b", {"decoder": decoder}, *printed)
        for label, decoder, *printed in (
            ("CC", "criss_cross", 27.8, 35.7, "47.3 / 48.6"),
            ("EMA", "expectation_maximization", 27.4, 32.3, "48.0 / 49.1"),
            ("NL", "non_local", 27.6, 40.9, "48.6 / 50.0"),
            ("Ham", "hamburger", 27.6, 34.9, "48.5 / 49.9"),
        )
    ),
    *(
        (
            f"{size.upper()}, MSCA head, COCO-Stuff",
            size,
            {"decoder": "scale_attention"},
            *printed,
        )
        for size, *printed in (
            ("t", 4.4, 6.7, "38.2 / 38.6"),
            ("s", 14.0, 15.9, "42.1 / 42.4"),
            ("b", 28.0, 33.6, "45.1 / 45.5"),
            ("l", 50.1, 69.8, "45.9 / 46.4"),
        )
    ),
)
ABLATIONS = _table(
    "SegNeXt, ablations, ADE20K val",
    tuple(
        _row(label, f"segnext_{size}", options, *printed)
        for label, size, options, *printed in _ALTERNATIVES
    ),
)
CLASSIFIERS = Table(
    "MSCAN, ImageNet val",
    "top-1",
    (224, 224),
    tuple(
        _row(f"MSCAN-{size.upper()}", f"mscan_{size}", {}, count, None, top_1)
        for size, count, top_1 in (
            ("t", 4.2, "75.9"),
            ("s", 14.0, "81.2"),
            ("b", 26.8, "83.0"),
            ("l", 45.2, "83.9"),
        )
    ),
    exact_grid=True,
    rules="segnext",
)
