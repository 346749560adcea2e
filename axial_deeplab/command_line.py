"""What every tool does alike: flags in, errors as one line and status 2."""

import functools
import pathlib
import re
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags, logging

# What TensorFlow wraps around the message of a failed operation, and Gin around
# that of a failed call.
_WRAPPING = re.compile(
    r"\{\{function_node .*?\}\}\s*|\s*\[Op:\w+\].*|^ *\(0\) [A-Z_]+: *"
    r"|Error in user-defined function .* with iterator: \S+: "
)
_GIN = re.compile(r"\s*In call to configurable '\w+' \(<.*?>\)", re.DOTALL)
_HEADING = re.compile(
    r"Graph execution error:|Detected at node .* defined at "
    r"|<stack traces unavailable>|\d+ root error\(s\) found"
    r"|\d+ successful operations|\d+ derived errors ignored"
)


def run_tool(
    work: Callable[[flags.FlagValues], str | None],
    define_flags: Callable[[flags.FlagValues], None],
) -> None:
    """Parses the flags, does the work and prints what it returns.

    Whatever the work raises becomes one line on standard error that starts
    with the name of the tool, and exit status 2 (130 if the user interrupts);
    `--verbosity=1` adds the traceback. Libraries show warnings only, unless
    `--verbosity` asks for more.
    """
    others = set(flags.FLAGS)
    define_flags(flags.FLAGS)
    for name in set(flags.FLAGS) - others:
        # --help shows what the script itself defines, but for this.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    app.run(functools.partial(_main, work), flags_parser=_parse)


def _main(
    work: Callable[[flags.FlagValues], str | None], argv: list[str]
) -> None:
    if len(argv) > 1:
        refuse(f"unexpected argument {argv[1]!r}; see --help")
    # Not `using_default_value`: a library may have set the flag on import.
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    try:
        message = work(flags.FLAGS)
    except KeyboardInterrupt:
        refuse("interrupted", status=130)
    except Exception as error:  # Libraries raise plain exceptions, too.
        logging.debug("The traceback of the error below", exc_info=True)
        refuse(_text(error))
    if message:
        print(message)  # noqa: T201


def define_scale_flags(values: flags.FlagValues) -> None:
    """Adds --scales and --flip, of inference at several scales."""
    flags.DEFINE_list(
        "scales",
        None,
        "Scales to average over, as 0.5,0.75,1,1.25,1.5 (COCO).",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "flip",
        None,
        "Whether to average over mirror images, too.",
        flag_values=values,
    )


def scale_options(values: flags.FlagValues) -> dict[str, list[float] | bool]:
    """What --scales and --flip say, by name; nothing for what was not given.

    Raises:
      ValueError: a scale is no number.
    """
    options: dict[str, list[float] | bool] = {}
    if values.scales is not None:
        try:
            options["scales"] = [float(scale) for scale in values.scales]
        except ValueError as error:
            raise ValueError(
                "--scales must be numbers, as 0.5,1,1.5; got "
                f"{','.join(values.scales)}."
            ) from error
    if values.flip is not None:
        options["flip"] = values.flip
    return options


def refuse(reason: str, status: int = 2) -> NoReturn:
    """Ends the process with one line that names the tool."""
    tool = pathlib.Path(sys.argv[0]).name
    print(f"{tool}: {' '.join(reason.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(status)


def _text(error: Exception) -> str:
    """The message, without what libraries have wrapped around it."""
    text = getattr(error, "message", None)
    if text:
        return unwrapped(text)
    if isinstance(error, KeyError) and error.args:
        error = error.args[0]
    text = _GIN.sub("", f"{error}")
    if text.startswith("in user code:"):
        # From a traced function: the message follows the stack.
        text = text.rstrip().split("\n\n")[-1]
    return text or type(error).__name__


def unwrapped(message: str) -> str:
    """TensorFlow's message without its stack and names of nodes.

    Stack and nodes stand on indented lines below their heading; of several
    errors the first counts.
    """
    lines = [_WRAPPING.sub("", line) for line in message.splitlines()]
    kept = [
        line
        for line in lines
        if line and not line[0].isspace() and not _HEADING.match(line)
    ]
    return " ".join(kept) or message


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        refuse(f"{error}; see --help")
