"""DeepLab2's encoders without attention, from arrays by checkpoint key.

Slow loops after the description of its layers; nothing of ours but those.
"""

import itertools

import numpy as np

from tests.reference import convolution as slow
from tests.reference.deeplab2_keys import MOBILENETS

_NORM = ("gamma", "beta", "moving_mean", "moving_variance")


class _Encoder:
    """The arrays below "encoder", and the stride so far."""

    def __init__(self, arrays, output_stride, epsilon):
        self.arrays, self.epsilon = arrays, epsilon
        self.output_stride, self.stride, self.rate = output_stride, 1, 1

    def plan(self, stride):
        """The stride and the atrous rate of a block that would stride."""
        rate = self.rate
        if self.stride * stride <= self.output_stride:
            self.stride *= stride
            return stride, rate
        self.rate *= stride
        return 1, rate

    def has(self, path):
        return any(key.startswith(f"{path}/") for key in self.arrays)

    def norm(self, path, x):
        weights = [self.arrays[f"{path}/_batch_norm/{p}"] for p in _NORM]
        return slow.batch_norm(x, weights, epsilon=self.epsilon)

    def conv(self, path, x, stride=1, rate=1):
        kernel = self.arrays[f"{path}/_conv/kernel"]
        return self.norm(path, slow.convolution(x, kernel, stride, rate))

    def biased(self, path, x):
        kernel = self.arrays[f"{path}/kernel"]
        return slow.convolution(x, kernel) + self.arrays[f"{path}/bias"]


def _mean(x):
    return x.mean(axis=(1, 2), keepdims=True)


def wide_resnet(arrays, images, output_stride):
    """[B, H, W, 3] of 0..255 -> {"res1": ...} of a Wide-ResNet or SWideRNet."""
    net = _Encoder(arrays, output_stride, 1e-3)
    x = np.asarray(images, np.float64) / 127.5 - 1
    x = net.conv("encoder/_stem", x, net.plan(2)[0])
    found = {}
    for stage in range(1, 6):
        for block in itertools.count(1):
            path = f"encoder/_stage{stage}/_block{block}"
            if not net.has(path):
                break
            first = block == 1 and stage > 1
            x = _residual(net, path, x, *net.plan(2 if first else 1))
        found[f"res{stage}"] = slow.relu(x)
    return found


def _residual(net, path, x, stride, rate):
    x = slow.relu(x)
    shortcut = x[:, ::stride, ::stride]
    if net.has(f"{path}/_shortcut"):
        shortcut = net.conv(f"{path}/_shortcut", x, stride)
    if net.has(f"{path}/_conv2_bn"):
        x = slow.relu(net.conv(f"{path}/_conv1_bn_act", x, stride, rate))
        return shortcut + net.conv(f"{path}/_conv2_bn", x, 1, rate)
    x = slow.relu(net.conv(f"{path}/_conv1_bn_act", x))
    middle = f"{path}/_conv2_bn_act"
    if net.has(f"{middle}/_pre_global_context"):
        x = _switchable(net, middle, x, stride, rate)
    else:
        x = net.conv(middle, x, stride, rate)
    return shortcut + net.conv(f"{path}/_conv3_bn", slow.relu(x))


def _switchable(net, path, x, stride, rate):
    x = x + net.biased(f"{path}/_pre_global_context/convolution", _mean(x))
    kernel = net.arrays[f"{path}/_conv/kernel"]
    y = slow.convolution(x, kernel, stride, rate)
    if stride == 1:
        s = net.biased(f"{path}/_conv/_switch", _mean_of_25(x))
        y = s * slow.convolution(x, kernel, 1, 3 * rate) + (1 - s) * y
    y = y + net.biased(f"{path}/_post_global_context/convolution", _mean(y))
    return net.norm(path, y)


def _mean_of_25(x):
    """Of 5x5 pixels around each; those outside do not count."""
    ones = np.ones((5, 5, x.shape[-1], 1))
    return slow.depthwise(x, ones) / slow.depthwise(np.ones_like(x), ones)


def _hard_swish(x):
    return x * np.clip(x + 3, 0, 6) / 6


_ACTIVATIONS = {"relu": slow.relu, "hard_swish": _hard_swish}


def mobilenet(name, arrays, images, output_stride):
    """[B, H, W, 3] of 0..255 -> {"res1": ...} of a MobileNetV3."""
    first, blocks, _ = MOBILENETS[name]
    net = _Encoder(arrays, output_stride, 1e-5)
    x = np.asarray(images, np.float64) / 127.5 - 1
    x = _hard_swish(net.conv("encoder/_blocks/0", x, net.plan(2)[0]))
    found = {first: x}
    for i, block in enumerate(blocks, start=1):
        path, stride_rate = f"encoder/_blocks/{i}", net.plan(block.stride)
        found[block.endpoint], y = _inverted(net, path, x, block, *stride_rate)
        same = block.channels == block.filters and block.stride == 1
        x = x + y if same else y
    last = net.conv(f"encoder/_blocks/{len(blocks) + 1}", x)
    found["res5"] = _hard_swish(last)
    found.pop("", None)
    return found


def _inverted(net, path, x, block, stride, rate):
    activate = _ACTIVATIONS[block.activation]
    if net.has(f"{path}/_conv1_bn_act"):
        x = activate(net.conv(f"{path}/_conv1_bn_act", x))
    middle = f"{path}/_conv2_bn_act"
    kernel = net.arrays[f"{middle}/_depthwise_conv/depthwise_kernel"]
    inside = slow.depthwise(x, kernel, stride, rate)
    x = inside = activate(net.norm(middle, inside))
    gate = f"{path}/_squeeze_excitation"
    if net.has(gate):
        y = slow.relu(net.biased(f"{gate}/_se_reduce", _mean(x)))
        y = net.biased(f"{gate}/_se_expand", y)
        x = x / (1 + np.exp(-y))
    return inside, net.conv(f"{path}/_conv3_bn", x)
