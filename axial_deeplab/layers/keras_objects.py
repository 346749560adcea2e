"""Objects of Keras 3, refused where they would do harm later.

This package is tf_keras (Keras 2). Objects of the two Kerases look alike and
do not mix: some fail far from their cause, some pass and do nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def refuse_keras_3(**arguments: Any) -> None:
    """Checks arguments, and what lists and dictionaries among them hold.

    Raises:
      TypeError: one is a class, an instance or a function of Keras 3.
    """
    for name, value in arguments.items():
        for part in _parts(value):
            if _is_of_keras_3(part):
                kind = part if hasattr(part, "__name__") else type(part)
                raise TypeError(
                    f"`{name}` got {kind.__name__} of Keras 3 "
                    f"({kind.__module__}), which does not mix with tf_keras "
                    "(Keras 2), on which this package is built: `import "
                    "tf_keras` and take it from there, not from `keras` or "
                    "`tf.keras`."
                )


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _parts(item)
    else:
        yield value


def _is_of_keras_3(value: Any) -> bool:
    """By the names of modules: nothing has to be imported for that."""
    owner = value if isinstance(value, type) else type(value)
    modules = [getattr(value, "__module__", None)]
    modules += [base.__module__ for base in owner.__mro__]
    return any(f"{module}.".startswith("keras.") for module in modules)
