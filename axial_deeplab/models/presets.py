"""Models by name."""

import contextlib
import dataclasses
import difflib
import fnmatch
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf
import tf_keras
from absl import logging

from axial_deeplab.backbones.axial_resnet import (
    AXIAL_RESNETS,
    FULL_AXIAL_RESNETS,
    POOLED_AXIAL_RESNETS,
)
from axial_deeplab.backbones.axial_vit import AXIAL_VITS
from axial_deeplab.backbones.local_resnet import (
    PS_ATTENTION_RESNETS,
    SASA_RESNETS,
)
from axial_deeplab.backbones.mobilenet import MOBILENETS
from axial_deeplab.backbones.mscan import MSCANS
from axial_deeplab.backbones.published_resnets import PUBLISHED_RESNETS
from axial_deeplab.backbones.resnet import RESNETS
from axial_deeplab.backbones.stacked import STACKED_RESNETS
from axial_deeplab.backbones.xception import XCEPTIONS
from axial_deeplab.checkpoints import object_graph, own_files
from axial_deeplab.checkpoints.parts import format_outcomes, restore_by_part
from axial_deeplab.models.families import (
    BACKBONES,
    CLASSIFIERS,
    PANOPTIC_MODELS,
    STACKED_BACKBONES,
    Family,
)
from axial_deeplab.models.panoptic_rows import (
    AXIAL_DEEPLABS,
    PANOPTIC_AXIAL_VITS,
    PANOPTIC_DEEPLABS,
    PUBLISHED_DEEPLABS,
)
from axial_deeplab.models.semantic_families import (
    MSCAN_BACKBONES,
    MSCAN_CLASSIFIERS,
    SEMANTIC_MODELS,
)
from axial_deeplab.models.semantic_rows import SEGNEXTS, SEMANTIC_AXIAL_VITS


def list_models(pattern: str = "*") -> list[str]:
    """Names that `create_model` knows and that match a glob, sorted."""
    return sorted(fnmatch.filter(_rows(), pattern))


def create_model(
    name: str,
    weights: str | os.PathLike | None = None,
    parts: Iterable[str] | None = None,
    **options: Any,
) -> tf_keras.Model:
    """Builds a model by name.

    Args:
      name: one of `list_models()`.
      weights: a checkpoint (folder or prefix) of tools/import_checkpoint.py or
        of a training run, a .keras file, or one of `Model.save_weights`; with
        the first, options are those of the checkpoint where none are given.
        None leaves weights at their initial values.
      parts: takes only these parts from there, for example ["backbone"], in
        which classes may differ; the rest keeps its initial values. None: all
        weights must fit. `checkpoints.parts.restore_by_part` returns what
        was restored; here it is logged.
      **options: what the family takes, for example `num_classes`,
        `output_stride`, `span`, `width`, `aspp`, `decoder`, `non_local`,
        `plan`.

    Raises:
      ValueError: if the name or an option is unknown; the message lists the
        nearest names or the options that exist; or the weights do not fit.
      FileNotFoundError: there are no such weights.
    """
    family, spec = _row(name)
    known = [field.name for field in dataclasses.fields(family.options)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"Unknown option {', '.join(unknown)} of model {name!r}; it takes "
            f"{', '.join(known)}."
        )
    if weights is None:
        if parts is not None:
            raise ValueError("`parts` are taken from `weights`; got none.")
        return _build(family, spec, options)
    path = os.fspath(weights)
    stored = own_files.stored_options(path)
    options = {k: v for k, v in stored.items() if k in known} | options
    if parts is not None:
        model = _build(family, spec, options)
        outcomes = restore_by_part(path, model, parts)
        logging.info("%s:\n%s", path, format_outcomes(outcomes))
        return model
    with zero_weights():
        model = _build(family, spec, options)
    if path.endswith(own_files.FILE_ENDINGS):
        own_files.load_weights(path, model)
    else:
        object_graph.restore_one_by_one(path, model)
    return model


def _row(name: str) -> tuple[Family, Any]:
    """Family and specification of a name."""
    rows = _rows()
    if name not in rows:
        near = difflib.get_close_matches(name, rows, n=3, cutoff=0.4)
        raise ValueError(
            f"Unknown model {name!r}; nearest: {', '.join(near) or 'none'}. "
            "list_models() names all."
        )
    return rows[name]


def _build(
    family: Family, spec: Any, options: dict[str, Any]
) -> tf_keras.Model:
    model = family.build(spec, family.options(**options))
    model.build((None, None, None, 3))
    return model


@contextlib.contextmanager
def zero_weights(but: Sequence[str] = ()) -> Iterator[None]:
    """Inside, new weights are zeros: random numbers take seconds to draw.

    Args:
      but: names of weights, without those of their layers, that are not.
    """

    def zeros(create: Callable[..., tf.Variable], **arguments) -> tf.Variable:
        shape, dtype = arguments.get("shape"), arguments.get("dtype")
        if shape is not None and arguments.get("name") not in but:
            arguments["initial_value"] = lambda: tf.zeros(shape, dtype)
        return create(**arguments)

    with tf.variable_creator_scope(zeros):
        yield


_BACKBONES = (
    RESNETS,
    PUBLISHED_RESNETS,
    MOBILENETS,
    AXIAL_RESNETS,
    FULL_AXIAL_RESNETS,
    POOLED_AXIAL_RESNETS,
    PS_ATTENTION_RESNETS,
    SASA_RESNETS,
    XCEPTIONS,
    AXIAL_VITS,
)
_PANOPTIC = (
    AXIAL_DEEPLABS,
    PANOPTIC_DEEPLABS,
    PUBLISHED_DEEPLABS,
    PANOPTIC_AXIAL_VITS,
)


@functools.cache
def _rows() -> dict[str, tuple[Family, Any]]:
    """Family and row by model name."""
    rows = {}
    for table in _BACKBONES:
        for name, spec in table.items():
            rows[name] = (CLASSIFIERS, spec)
            rows[f"{name}_backbone"] = (BACKBONES, spec)
    for table in _PANOPTIC:
        for name, spec in table.items():
            rows[name] = (PANOPTIC_MODELS, spec)
            rows[f"{name}_backbone"] = (BACKBONES, spec.backbone)
            # What a panoptic model starts from is trained on ImageNet.
            rows[f"{name}_classifier"] = (CLASSIFIERS, spec.backbone)
    for name, spec in STACKED_RESNETS.items():
        rows[f"{name}_backbone"] = (STACKED_BACKBONES, spec)
    for name, spec in MSCANS.items():
        rows[name] = (MSCAN_CLASSIFIERS, spec)
        rows[f"{name}_backbone"] = (MSCAN_BACKBONES, spec)
    for name, spec in (SEGNEXTS | SEMANTIC_AXIAL_VITS).items():
        rows[name] = (SEMANTIC_MODELS, spec)
        rows[f"{name}_backbone"] = (MSCAN_BACKBONES, spec.backbone)
    return rows
