"""Tables of classifiers: arXiv:2003.07853 and arXiv:1906.05909."""

import dataclasses

from axial_deeplab.costs.table_rows import Row, Table

_SIZE_PX, _METRIC = (224, 224), "top-1"

_AXIAL = tuple(
    Row(f"Conv-Stem + Axial-Attention x{width:g}", model, options, *printed)
    for width, model, options, *printed in (
        (0.375, "axial_resnet_l", {"width": 0.375}, 7.4, 1.8, "76.4"),
        (0.5, "axial_resnet_s", {}, 12.4, 2.8, "77.5"),
        (0.75, "axial_resnet_m", {}, 26.4, 5.7, "78.6"),
        (1, "axial_resnet_l", {}, 45.6, 9.6, "79.0"),
    )
)
_FULL_AXIAL = tuple(
    Row(f"Full Axial-Attention x{width:g}", model, {}, *printed)
    for width, model, *printed in (
        (0.5, "full_axial_resnet_s", 12.5, 3.3, "78.1"),
        (0.75, "full_axial_resnet_m", 26.5, 6.8, "79.2"),
        (1, "full_axial_resnet_l", 45.8, 11.6, "79.3"),
    )
)
_POSITION_SENSITIVE = tuple(
    Row(
        f"Conv-Stem + PS-Attention x{width:g}",
        "ps_attention_resnet_50",
        {"width": width},
        *printed,
        account="position_sensitive",
    )
    for width, *printed in (
        (0.5, 5.1, 1.2, "75.5"),
        (0.75, 10.5, 2.3, "77.4"),
        (1.0, 18.0, 3.7, "78.1"),
        (1.25, 27.5, 5.6, "78.5"),
        (1.5, 39.0, 7.8, "79.0"),
    )
)
_RESNET = Row("ResNet-50", "resnet_50", {}, 25.6, 4.1, "76.9")
_ATTENTION = Row("Conv-Stem + Attention", "sasa_resnet_50", {}, 18.0, 3.5)
_NORMED_ATTENTION = Row(
    f"{_ATTENTION.label}, BN", "sasa_resnet_50_bn", {}, 18.0, 3.5, "77.7"
)
_FULL_ATTENTION = Row(
    "Full Attention", "sasa_resnet_50_attention_stem", {}, 18.0, 3.6
)

TABLE_1 = Table(
    "Table 1: ImageNet val",
    _METRIC,
    _SIZE_PX,
    (
        _RESNET,
        dataclasses.replace(_ATTENTION, published="77.4"),
        _NORMED_ATTENTION,
        _POSITION_SENSITIVE[2],
        _AXIAL[1],
        Row("LR-Net-50", None, {}, 23.3, 4.3, "77.3"),
        dataclasses.replace(_FULL_ATTENTION, published="77.6"),
        _FULL_AXIAL[0],
    ),
)
TABLE_10 = Table(
    "Table 10: widths on ImageNet val",
    _METRIC,
    _SIZE_PX,
    (*_POSITION_SENSITIVE, *_AXIAL, *_FULL_AXIAL),
)

# Stand-alone self-attention in vision models, Table 1.
_SASA = (
    *(
        Row(f"ResNet-{depth}", f"resnet_{depth}", {}, *printed)
        for depth, *printed in (
            (26, 13.7, 4.7, "74.5"),
            (38, 19.6, 6.5, "76.2"),
            (50, 25.6, 8.2, "76.9"),
        )
    ),
    *(
        Row(
            f"Conv-stem + attention, {depth} layers",
            f"sasa_resnet_{depth}",
            {},
            *printed,
            account="kernels",
        )
        for depth, *printed in (
            (26, 10.3, 4.5, "75.8"),
            (38, 14.1, 5.7, "77.1"),
            (50, 18.0, 7.0, "77.4"),
        )
    ),
    *(
        Row(
            f"Full attention, {depth} layers",
            f"sasa_resnet_{depth}_attention_stem",
            {},
            *printed,
            account="kernels",
        )
        for depth, *printed in (
            (26, 10.3, 4.7, "74.8"),
            (38, 14.1, 6.0, "76.9"),
            (50, 18.0, 7.2, "77.6"),
        )
    ),
)
TABLE_SASA = Table(
    "Table 1 of arXiv:1906.05909: ImageNet val",
    _METRIC,
    _SIZE_PX,
    _SASA,
    flops=True,
)

# Each model once; those without printed values are this package's own.
CLASSIFIERS = Table(
    "Classifiers: ImageNet val",
    _METRIC,
    _SIZE_PX,
    (
        _RESNET,
        *(
            dataclasses.replace(row, multiply_adds=None)
            for row in _SASA
            if row.model not in (_RESNET.model, _ATTENTION.model)
        ),
        dataclasses.replace(_ATTENTION, published="77.4"),
        _NORMED_ATTENTION,
        *TABLE_10.rows,
        *(
            Row(label, model)
            for label, model in (
                ("ResNet-101", "resnet_101"),
                ("Xception-71", "xception_71"),
                ("Conv-Stem + Axial-Attention x2", "axial_resnet_xl"),
                ("Axial, for a CPU", "axial_resnet_xs"),
                ("Full Axial, for a CPU", "full_axial_resnet_xs"),
                ("Axial, 26 layers, x0.5", "axial_resnet_26_s"),
                ("Axial, 26 layers, x0.75", "axial_resnet_26_m"),
                ("Axial, 26 layers, x1", "axial_resnet_26_l"),
                ("Full Axial, 26 layers, x0.5", "full_axial_resnet_26_s"),
                ("Full Axial, 26 layers, x0.75", "full_axial_resnet_26_m"),
                ("Full Axial, 26 layers, x1", "full_axial_resnet_26_l"),
            )
        ),
    ),
)
