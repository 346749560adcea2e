"""What every tool does alike: flags in, errors as one line and status 2."""

import functools
import pathlib
import sys
from collections.abc import Callable
from typing import NoReturn

from absl import app, flags, logging


def run_tool(
    work: Callable[[flags.FlagValues], str | None],
    define_flags: Callable[[flags.FlagValues], None],
) -> None:
    """Parses the flags, does the work and prints what it returns.

    Whatever the work raises becomes one line on standard error that starts
    with the name of the tool, and exit status 2; `--verbosity=1` adds the
    traceback.
    """
    define_flags(flags.FLAGS)
    app.run(functools.partial(_main, work), flags_parser=_parse)


def _main(
    work: Callable[[flags.FlagValues], str | None], argv: list[str]
) -> None:
    if len(argv) > 1:
        refuse(f"unexpected argument {argv[1]!r}; see --help")
    if flags.FLAGS["verbosity"].using_default_value:
        logging.set_verbosity(logging.WARNING)
    try:
        message = work(flags.FLAGS)
    except Exception as error:  # Libraries raise plain exceptions, too.
        logging.debug("The traceback of the error below", exc_info=True)
        refuse(_text(error))
    if message:
        print(message)  # noqa: T201


def refuse(reason: str) -> NoReturn:
    """Ends the process with one line that names the tool."""
    tool = pathlib.Path(sys.argv[0]).name
    print(f"{tool}: {' '.join(reason.split())}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _text(error: Exception) -> str:
    """The message; TensorFlow's and KeyError's without their wrapping."""
    text = getattr(error, "message", None) or (
        error.args[0] if isinstance(error, KeyError) and error.args else error
    )
    return f"{text}" or type(error).__name__


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        refuse(f"{error}; see --help")
