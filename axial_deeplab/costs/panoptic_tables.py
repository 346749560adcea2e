"""Tables of panoptic models in arXiv:2003.07853.

All attention has a span of 65: its multiply-adds need that.
"""

import dataclasses

from axial_deeplab.costs.table_rows import Row, Table

_METRIC, _SIZE_PX = "PQ / AP / mIoU", (1025, 2049)
_CONVOLUTION = {"num_classes": 19}
_AXIAL = {"num_classes": 19, "span": 65}

_XCEPTION = Row(
    "Panoptic-DeepLab, Xception-71",
    "panoptic_deeplab_xception71",
    _CONVOLUTION,
    46.7,
    547.7,
    "63.0 / 35.3 / 80.5",
)
_RESNET_101 = Row(
    "ResNet-101",
    "panoptic_deeplab_resnet101",
    _CONVOLUTION,
    43.8,
    530.0,
    "59.9 / 31.9 / 74.6",
)
_BASELINES = tuple(
    Row(
        label + (", ASPP" if aspp else ""),
        f"panoptic_deeplab_{backbone}",
        _CONVOLUTION | ({"aspp": True} if aspp else {}),
        *printed,
    )
    for label, backbone, aspp, *printed in (
        ("ResNet-50", "resnet50", False, 24.8, 374.8, "58.1 / 30.0 / 73.3"),
        ("ResNet-50", "resnet50", True, 30.0, 390.0, "59.8 / 32.6 / 77.8"),
        ("Attention", "attention", False, 17.3, 317.7, "58.7 / 31.9 / 75.8"),
        ("Attention", "attention", True, 22.5, 332.9, "60.9 / 30.0 / 78.2"),
        ("PS-Att.", "ps_attention", False, 17.3, 326.7, "59.9 / 32.2 / 76.3"),
        ("PS-Att.", "ps_attention", True, 22.5, 341.9, "61.5 / 33.1 / 79.1"),
    )
)
_SIZES = {
    size: Row(
        f"Axial-DeepLab-{size.upper()}",
        f"axial_deeplab_{size}",
        _AXIAL,
        *printed,
    )
    for size, *printed in (
        ("s", 12.1, 220.8, "62.6 / 34.9 / 80.5"),
        ("m", 25.9, 419.6, "63.1 / 35.6 / 80.3"),
        ("l", 44.9, 687.4, "63.9 / 35.8 / 81.0"),
        ("xl", 173.0, 2446.8, "64.4 / 36.7 / 80.6"),
    )
}


def _spans() -> tuple[Row, ...]:
    return tuple(
        Row(
            f"Axial-ResNet-L, span {span}",
            "axial_deeplab_l",
            _AXIAL | {"span": span},
            44.9,
            *printed,
        )
        for span, *printed in (
            (5, 617.4, "59.1 / 31.3 / 74.5"),
            (9, 622.1, "61.2 / 31.1 / 77.6"),
            (17, 631.5, "62.8 / 34.0 / 79.5"),
            (33, 650.2, "63.8 / 35.9 / 80.2"),
            (65, 687.4, "64.2 / 36.3 / 80.6"),
        )
    )


def _decoders() -> tuple[Row, ...]:
    return tuple(
        Row(
            f"Axial-ResNet-L, {label}",
            "axial_deeplab_l",
            _AXIAL | options,
            *printed,
        )
        for label, options, *printed in (
            ("stride 32", {"output_stride": 32}, 45.2, 525.2),
            ("axial decoder", {"decoder": "axial"}, 45.4, 722.7),
            (
                "stride 32, axial decoder",
                {"output_stride": 32, "decoder": "axial"},
                45.9,
                577.8,
            ),
        )
    )


def _at_scales(
    classes: int,
    scales: tuple[float, ...],
    rows: tuple[tuple[Row, bool, float, str], ...],
) -> tuple[Row, ...]:
    """Rows of another data set; those that say so at all scales."""
    return tuple(
        dataclasses.replace(
            row,
            label=row.label + (", multi-scale" if several else ""),
            options=row.options | {"num_classes": classes},
            multiply_adds=multiply_adds,
            published=published,
            scales=scales if several else (),
        )
        for row, several, multiply_adds, published in rows
    )


_COCO = (
    Row("DeeperLab, Xception-71", None, published="33.8 / - / -"),
    Row("SSAP, ResNet-101, multi-scale", None, published="36.5 / - / -"),
    *_at_scales(
        134,
        (0.5, 0.75, 1.0, 1.25, 1.5),
        (
            (_XCEPTION, False, 274.0, "39.7 / 43.9 / 33.2"),
            (_XCEPTION, True, 3081.4, "41.2 / 44.9 / 35.7"),
            (_SIZES["s"], False, 110.4, "41.8 / 46.1 / 35.2"),
            (_SIZES["m"], False, 209.9, "42.9 / 47.6 / 35.8"),
            (_SIZES["l"], False, 343.9, "43.4 / 48.5 / 35.6"),
            (_SIZES["l"], True, 3867.7, "43.9 / 48.6 / 36.8"),
        ),
    ),
)
_MAPILLARY = _at_scales(
    65,
    (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    (
        (_XCEPTION, False, 1240.0, "37.7 / 14.9 / 55.4"),
        (_XCEPTION, True, 31350.0, "40.3 / 17.2 / 56.8"),
        (_SIZES["l"], False, 1550.0, "40.1 / 16.7 / 57.6"),
        (_SIZES["l"], True, 39350.0, "41.1 / 17.2 / 58.4"),
    ),
)


def _accuracies() -> tuple[Row, ...]:
    """Table 5 (a) prints no costs; those here are of one scale."""
    others = (
        Row("AdaptIS, multi-scale", None, published="62.0 / 36.3 / 79.2"),
        Row("SSAP, multi-scale", None, published="61.1 / 37.3 / -"),
        Row("SpatialFlow, COCO, multi-scale", None, published="62.5 / - / -"),
        Row("Seamless, Mapillary", None, published="65.0 / - / 80.7"),
    )
    return others + tuple(
        dataclasses.replace(
            row,
            label=row.label + extra,
            published=published,
            parameters=None,
            multiply_adds=None,
        )
        for row, extra, published in (
            (_XCEPTION, "", "63.0 / 35.3 / 80.5"),
            (_XCEPTION, ", multi-scale", "64.1 / 38.5 / 81.5"),
            (_SIZES["l"], "", "63.9 / 35.8 / 81.0"),
            (_SIZES["l"], ", multi-scale", "64.7 / 37.9 / 81.5"),
            (_SIZES["xl"], "", "64.4 / 36.7 / 80.6"),
            (_SIZES["xl"], ", multi-scale", "65.1 / 39.0 / 81.1"),
            (_XCEPTION, ", Mapillary", "65.3 / 38.8 / 82.5"),
            (_XCEPTION, ", Mapillary, multi-scale", "67.0 / 42.5 / 83.1"),
            (_SIZES["l"], ", Mapillary", "66.5 / 40.2 / 83.2"),
            (_SIZES["l"], ", Mapillary, multi-scale", "67.7 / 42.9 / 83.8"),
            (_SIZES["xl"], ", Mapillary", "67.8 / 41.9 / 84.2"),
            (_SIZES["xl"], ", Mapillary, multi-scale", "68.5 / 44.2 / 84.6"),
        )
    )


def _cityscapes(title: str, rows: tuple[Row, ...]) -> Table:
    return Table(f"{title}, Cityscapes val", _METRIC, _SIZE_PX, rows)


TABLE_2 = Table("Table 2: COCO val", "PQ / PQTh / PQSt", (1025, 1025), _COCO)
TABLE_4 = Table(
    "Table 4: Mapillary Vistas val, our models",
    *(_METRIC, (2177, 2177), _MAPILLARY),
    digit=10.0,
)
TABLE_5 = _cityscapes("Table 5 (a): accuracies", _accuracies())
TABLE_6 = _cityscapes(
    "Table 6: attention variants", (*_BASELINES, *_SIZES.values())
)
TABLE_7 = _cityscapes("Table 7: spans", (_RESNET_101, *_spans()))
TABLE_9 = _cityscapes(
    "Table 9: output strides and decoders",
    (
        dataclasses.replace(_XCEPTION, published=""),
        _SIZES["l"],
        *_decoders(),
    ),
)

# Each model once; the one without printed values is this package's own.
PANOPTIC_MODELS = _cityscapes(
    "Panoptic models",
    (
        _XCEPTION,
        _RESNET_101,
        *TABLE_6.rows,
        *_decoders(),
        Row("Ours, for a CPU", "axial_deeplab_xs", _AXIAL),
    ),
)
