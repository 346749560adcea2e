"""RAdam and Lookahead as loops over single weights, in float64."""

import math

import numpy as np


def rectified_adam(
    weights,
    gradients,
    rates,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-7,
    weight_decay=0.0,
    amsgrad=False,
):
    """Liu et al., arXiv:1908.03265, algorithm 2, one weight at a time.

    Args:
      weights: initial weights [n].
      gradients: one [n] for each step.
      rates: one learning rate for each step.
      beta_1: decay of the first moment.
      beta_2: decay of the second moment.
      epsilon: added to the root.
      weight_decay: decoupled, times the learning rate.
      amsgrad: whether the second moment never falls.

    Returns:
      The weights after each step, [steps, n].
    """
    columns = [
        _one_weight(
            float(weight),
            [float(gradient[i]) for gradient in gradients],
            [float(rate) for rate in rates],
            (beta_1, beta_2, epsilon, weight_decay, amsgrad),
        )
        for i, weight in enumerate(weights)
    ]
    return np.array(columns).T


def _one_weight(weight, gradients, rates, settings):
    beta_1, beta_2, epsilon, weight_decay, amsgrad = settings
    m = v = largest = 0.0
    path = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), 1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        largest = max(largest, v)
        used = largest if amsgrad else v
        update = m / (1 - beta_1**t)
        length = window_length(t, beta_2)
        if length >= 5:
            root = math.sqrt(used / (1 - beta_2**t)) + epsilon
            update *= rectifier(length, beta_2) / root
        weight -= rate * (update + weight_decay * weight)
        path.append(weight)
    return path


def window_length(t, beta_2):
    """rho_t."""
    longest = 2 / (1 - beta_2) - 1
    return longest - 2 * t * beta_2**t / (1 - beta_2**t)


def rectifier(length, beta_2):
    """r_t, for rho_t > 4."""
    longest = 2 / (1 - beta_2) - 1
    return math.sqrt(
        (length - 4)
        * (length - 2)
        * longest
        / ((longest - 4) * (longest - 2) * length)
    )


def lookahead(weights, fast_step, steps, sync_period, slow_step_size):
    """Zhang et al., arXiv:1907.08610, algorithm 1.

    Args:
      weights: initial weights [n].
      fast_step: maps (weights, step from 0) to the weights after that step.
      steps: number of fast steps.
      sync_period: k.
      slow_step_size: alpha.

    Returns:
      The weights after each step, [steps, n].
    """
    slow = fast = np.array(weights, np.float64)
    path = []
    for step in range(steps):
        fast = fast_step(fast, step)
        if (step + 1) % sync_period == 0:
            slow = slow + slow_step_size * (fast - slow)
            fast = slow
        path.append(fast)
    return np.array(path)
