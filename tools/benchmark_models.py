r"""Counts parameters and multiply-adds of models, beside those of the papers.

python tools/benchmark_models.py --table=10
python tools/benchmark_models.py --models="axial_deeplab_*" --size=1025x2049
python tools/benchmark_models.py --train --models=axial_deeplab_s --size=257x257
python tools/benchmark_models.py --latency --images=1x1024x2048,8x256x256 \
    --models=axial_deeplab_s,panoptic_deeplab_resnet50
python tools/benchmark_models.py --parts --models=segnext_t --size=512x512

Walks the model itself, layer by layer, without computing anything. A table
has, in this order: the row and the model; all trainable parameters; those that
the paper seems to count; the paper's, in millions, and whether the two agree
to its last digit; billions of multiply-adds as the paper seems to count them,
and of matrix products alone; the paper's, and whether it agrees with the
former (where it prints FLOPs, with the latter); its accuracy.

A span of m positions costs m keys a query, even beyond the border. Tables
divide images by strides without rounding, as the paper's numbers need;
`--models` has the true sizes.

`--table=estimates` derives from such counts what published trainings cost.
`--train` measures training steps instead: of each model as it is given, and
once more with each of `--variants`, by itself, changed. Linux only. `--latency`
measures predictions: the bare model, with and without XLA, `predict` and the
SavedModel, on each of `--images`; a row is in `--output_file` as soon as it is
measured. `--parts` measures the bare model beside its convolutions, each by
itself. Bad arguments end in one line and exit status 2.
"""

import os
import pathlib
import re
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow loads

from absl import flags  # noqa: E402

from axial_deeplab import command_line, list_models  # noqa: E402
from axial_deeplab.costs import (  # noqa: E402
    parts_times,
    training_estimates,
    training_runs,
)
from axial_deeplab.costs.arguments import (  # noqa: E402
    parse_option,
    parse_size,
)
from axial_deeplab.costs.comparison import TABLES, compare  # noqa: E402
from axial_deeplab.costs.printed_tables import (  # noqa: E402
    as_markdown,
    as_text,
    format_table,
)
from axial_deeplab.costs.table_rows import Row, Table  # noqa: E402
from axial_deeplab.costs.training_case import TrainingCase  # noqa: E402
from axial_deeplab.evaluation.whole_files import write_text  # noqa: E402
from axial_deeplab.export import latency  # noqa: E402
from axial_deeplab.progress import ProgressBar, track  # noqa: E402
from axial_deeplab.timing import TimedModel  # noqa: E402

_FORMATS = ("text", "markdown")
_ESTIMATES = "estimates"


def define_flags(values: flags.FlagValues) -> None:
    """Adds the flags of this tool to `values`."""
    flags.DEFINE_enum(
        "table",
        None,
        [*TABLES, _ESTIMATES],
        "Of arXiv:2003.07853 by number, of stand-alone self-attention (sasa), "
        "of SegNeXt, of axial vision transformers, README's of all models "
        "(classifiers, panoptic), or what training would cost (estimates).",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "format", "text", _FORMATS, "How to print.", flag_values=values
    )
    for name, default, text in (
        ("models", None, "Globs of model names instead, with commas."),
        ("size", "224x224", "HEIGHTxWIDTH of an image for --models."),
        ("images", None, "Of --latency: BATCHxHEIGHTxWIDTH, with commas."),
        ("output_file", None, "Of --latency: has each row as it comes."),
    ):
        flags.DEFINE_string(name, default, text, flag_values=values)
    flags.DEFINE_list(
        "options",
        [],
        "Of --models, as in span=65,num_classes=19.",
        flag_values=values,
    )
    for name, text in (
        ("train", "Measure training steps."),
        ("latency", "Measure predictions."),
        ("parts", "Measure the forward pass and its convolutions."),
    ):
        flags.DEFINE_bool(name, False, text, flag_values=values)
    flags.DEFINE_list(
        "variants",
        ["replicas=2"],
        "Of --train: replicas, batch, accumulation, dtype, size or options of "
        "the model, as in replicas=2,dtype=bfloat16,span=17,size=129x129.",
        flag_values=values,
    )
    for name, default, text in (
        ("batch", 2, "Images at a time, for --train, --latency and --parts."),
        ("repeats", 7, "Timed turns of a row, for these."),
    ):
        flags.DEFINE_integer(
            name, default, text, lower_bound=1, flag_values=values
        )


def select_table(values: flags.FlagValues) -> Table:
    """The table that the flags name, or one of the models that they name.

    Raises:
      ValueError: both or neither are named, or a flag does not fit.
    """
    if (values.table is None) == (values.models is None):
        raise ValueError("Name either --table or --models.")
    if values.table is not None:
        return TABLES[values.table]
    options = dict(map(parse_option, values.options))
    return Table(
        f"Models like {values.models}",
        "",
        parse_size(values.size),
        tuple(Row("", name, options) for name in _named_models(values.models)),
        exact_grid=True,
    )


def _named_models(patterns: str) -> list[str]:
    names = []
    for pattern in patterns.split(","):
        found = list_models(pattern.strip())
        if not found:
            raise ValueError(
                f"No model has a name like {pattern!r}; --models=* "
                "--size=32x32 shows all."
            )
        names += found
    return list(dict.fromkeys(names))


def select_cases(values: flags.FlagValues) -> list[list[TrainingCase]]:
    """For each model the step as given; for --train also one a variant.

    Raises:
      ValueError: no models are named, or a flag does not fit.
    """
    names = _measured_models(values)
    options = dict(map(parse_option, values.options))
    size = parse_size(values.size)
    given = values.variants if values.train else []
    variants = [parse_option(text, "--variants") for text in given]
    variants = [
        ("size_px", parse_size(f"{value}", "--variants=size"))
        if name == "size"
        else (name, value)
        for name, value in variants
    ]
    cases = []
    for name in names:
        first = TrainingCase(name, options, size, values.batch)
        cases.append([first, *(first.changed(*one) for one in variants)])
    return cases


def select_latency_cases(values: flags.FlagValues) -> list[TimedModel]:
    """One for each model and, within it, for each of --images.

    Raises:
      ValueError: no models are named, or a flag does not fit.
    """
    names = _measured_models(values)
    options = dict(map(parse_option, values.options))
    shapes = [(parse_size(values.size), values.batch)]
    if values.images:
        shapes = [_parse_images(text) for text in values.images.split(",")]
    return [TimedModel(name, *one, options) for name in names for one in shapes]


def _parse_images(text: str) -> tuple[tuple[int, int], int]:
    """Size and batch that stand in "8x256x256"."""
    match = re.fullmatch(r"\s*0*([1-9]\d*)x(\d+x\d+)\s*", text)
    if not match:
        raise ValueError(f"--images must be BATCHxHEIGHTxWIDTH; got {text!r}.")
    batch, size = match.groups()
    return parse_size(size, "--images"), int(batch)


def _measured_models(values: flags.FlagValues) -> list[str]:
    if values.models is None or values.table is not None:
        raise ValueError(
            "--train, --latency and --parts need --models, and take no --table."
        )
    return _named_models(values.models)


def work(values: flags.FlagValues) -> str:
    """What the flags ask for; returns the lines to print."""
    _check_latency_flags(values)
    show = as_markdown if values.format == "markdown" else as_text
    if values.train:
        return _train(values, show)
    if values.latency:
        return _latency(values, show)
    if values.parts:
        return _parts(values, show)
    if values.table == _ESTIMATES:
        return show(training_estimates.format_rows())
    table = select_table(values)
    counted, missing = [], []
    for row in track(table.rows, len(table.rows), "counting", "models"):
        try:
            counted.append(compare(row, table))
        except ValueError as error:
            counted.append(None)
            missing.append(f"not counted: {row.call or row.label}: {error}")
    lines = format_table(table, counted)
    if show is as_markdown:
        return as_markdown(lines)
    height, width = table.size_px
    title = f"{table.title}, {height}x{width}"
    return "\n".join([title, "", as_text(lines), *dict.fromkeys(missing)])


def _check_latency_flags(values: flags.FlagValues) -> None:
    """Before minutes of work, not after them."""
    for name in ("images", "output_file"):
        if values[name].value and not values.latency:
            raise ValueError(f"--{name} is for --latency.")
    if values.output_file:
        folder = pathlib.Path(values.output_file).absolute().parent
        if not folder.is_dir():
            raise FileNotFoundError(f"--output_file: {folder} is no folder.")


def _train(values: flags.FlagValues, show: Callable[[list], str]) -> str:
    """Tables of training steps, one a model, and what they mean."""
    parts = [training_runs.describe_machine(values.repeats)]
    for cases in select_cases(values):
        found = training_runs.measure(cases, values.repeats)
        parts.append(show(training_runs.format_rows(cases, found)))
    return "\n\n".join([*parts, training_runs.CAPTION])


def _latency(values: flags.FlagValues, show: Callable[[list], str]) -> str:
    """A table of predictions, and what it means."""
    cases = select_latency_cases(values)
    machine = training_runs.describe_machine(values.repeats)
    found, text, model = [], "", None
    turns = len(cases) * (values.repeats + 1)
    with ProgressBar(turns, "predicting", "turns") as bar:
        for case in cases:
            if case.model != model:
                model = case.model
                prepared = latency.Prepared(model, case.options)
            found.append(
                latency.measure(prepared, case, values.repeats, bar.update)
            )
            rows = latency.format_rows(cases[: len(found)], found)
            text = "\n\n".join([machine, show(rows), latency.CAPTION])
            if values.output_file:
                write_text(values.output_file, f"{text}\n")
    return text


def _parts(values: flags.FlagValues, show: Callable[[list], str]) -> str:
    """Tables of convolutions, one a model, and what they mean."""
    parts = [training_runs.describe_machine(values.repeats)]
    cases = select_cases(values)
    for given, *_ in track(cases, len(cases), "measuring", "models"):
        case = TimedModel(
            given.model, given.size_px, given.batch, given.options
        )
        found = parts_times.measure(case, values.repeats)
        parts.append(show(parts_times.format_rows(case, *found)))
    return "\n\n".join([*parts, parts_times.CAPTION])


if __name__ == "__main__":
    command_line.run_tool(work, define_flags)
