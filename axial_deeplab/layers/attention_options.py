"""What attention layers have in common: options and checks of arguments."""

import dataclasses

from axial_deeplab.layers.attention_ops import DEFAULT_MIN_CHUNKS
from axial_deeplab.layers.configurable import Options, register

DEFAULT_LOGITS_BYTES = 64 * 2**20


@register
@dataclasses.dataclass(frozen=True)
class AttentionOptions(Options):
    """Relative embeddings that take part, and the memory for logits.

    Attributes:
      query: query-dependent embeddings in the logits (r^q of Eq. 4).
      key: key-dependent embeddings in the logits (r^k).
      value: embeddings among the retrieved values (r^v).
      logits_bytes: what logits, weights and embeddings by pair may occupy at
        once. Less memory costs time once a line no longer fits.
      min_chunks: how many parts lines are cut into at least, even if more
        would fit. 1 is faster and takes more memory for maps of middle size.
    """

    query: bool = True
    key: bool = True
    value: bool = True
    logits_bytes: int = DEFAULT_LOGITS_BYTES
    min_chunks: int = DEFAULT_MIN_CHUNKS

    def __post_init__(self):
        for name in ("logits_bytes", "min_chunks"):
            size = getattr(self, name)
            if size < 1:
                raise ValueError(f"`{name}` must be positive; got {size}.")


@register
@dataclasses.dataclass(frozen=True)
class LocalOptions(AttentionOptions):
    """What makes a form of attention within two-dimensional windows.

    Attributes:
      norms: batch norms of the projections and of the logits.
      shared_tables: one position table for all heads; else one for each.
    """

    norms: bool = True
    shared_tables: bool = True


# arXiv:2003.07853, Eq. 3 and, as in arXiv:1906.05909, Eq. 2.
POSITION_SENSITIVE = LocalOptions()
STAND_ALONE = LocalOptions(
    key=False, value=False, norms=False, shared_tables=False
)


def check_arguments(
    filters: int,
    key_filters: int,
    axis: str,
    heads: int,
    span: int | None,
    max_distance: int,
) -> None:
    """Raises a `ValueError` that names the argument that does not fit."""
    if axis not in ("height", "width"):
        raise ValueError(f'`axis` must be "height" or "width"; got {axis!r}.')
    check_heads(filters, key_filters, heads)
    if span is not None and (span < 1 or span % 2 == 0):
        raise ValueError(
            f"`span` must be odd and positive, or None; got {span}."
        )
    if max_distance < 1:
        raise ValueError(
            f"`max_distance` must be positive; got {max_distance}."
        )


def check_local_arguments(
    filters: int, heads: int, window: int, stride: int
) -> None:
    """The same for attention in two-dimensional windows."""
    check_heads(filters, filters, heads)
    if filters == heads:
        raise ValueError(
            "A head needs a channel for rows and one for columns: `filters` "
            f"must be at least twice `heads`; got {heads=}, {filters=}."
        )
    if window < 1 or window % 2 == 0:
        raise ValueError(f"`window` must be odd and positive; got {window}.")
    if stride not in (1, 2):
        raise ValueError(f"`stride` must be 1 or 2; got {stride}.")


def check_stride(stride: int) -> None:
    """Raises a `ValueError` if there are no such places."""
    if stride < 1:
        raise ValueError(f"`stride` must be 1 or more; got {stride}.")


def check_heads(filters: int, key_filters: int, heads: int) -> None:
    """Raises a `ValueError` if the heads do not divide what they share."""
    if heads < 1 or filters % heads or key_filters % heads:
        raise ValueError(
            "`heads` must divide `filters` and `key_filters`; got "
            f"{heads=}, {filters=}, {key_filters=}."
        )
