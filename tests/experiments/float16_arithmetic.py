"""Products of float16 as accelerators compute them, on a CPU.

TensorFlow's float16 convolutions and matrix products for CPUs take a hundred
times as long as those of float32. Matrix units of GPUs multiply float16
numbers exactly and add up the products in float32; here the float32 kernels
do the same with operands that are cast from float16, and their results are
cast back. Differentiation casts the gradients the same way: each is rounded to
float16 wherever it is a float16 tensor on an accelerator.
"""

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.ops import gen_linalg_ops, gen_math_ops, gen_nn_ops

# Where all products end, also those of Keras and of gradients.
_PRODUCTS = (
    (gen_nn_ops, "conv2d"),
    (gen_nn_ops, "conv2d_backprop_input"),
    (gen_nn_ops, "depthwise_conv2d_native"),
    (gen_math_ops, "mat_mul"),
    (gen_math_ops, "batch_mat_mul_v2"),
    (gen_math_ops, "batch_mat_mul_v3"),
    (gen_linalg_ops, "einsum"),
)


def use_accelerator_products(monkeypatch: Any) -> None:
    """Lets TensorFlow multiply float16 so, until `monkeypatch` is undone."""
    for module, name in _PRODUCTS:
        native = getattr(module, name)
        monkeypatch.setattr(module, name, _in_float32(native))


def _in_float32(native: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    @functools.wraps(native)
    def product(*args, **kwargs):
        call = (args, kwargs)
        if not any(_is_half(one) for one in tf.nest.flatten(call)):
            return native(*args, **kwargs)
        args, kwargs = tf.nest.map_structure(_widened, call)
        return tf.cast(native(*args, **kwargs), tf.float16)

    return product


def _is_half(one: Any) -> bool:
    return tf.is_tensor(one) and tf.convert_to_tensor(one).dtype == tf.float16


def _widened(one: Any) -> Any:
    # Converted before: the cast of an automatically cast variable is its own.
    return (
        tf.cast(tf.convert_to_tensor(one), tf.float32) if _is_half(one) else one
    )
