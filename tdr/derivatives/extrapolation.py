"""Richardson's extrapolation of central differences, with a bound.

Central differences D(h) = (f(h) - f(-h)) / 2h are taken at steps each a quarter of the one before. Where f is smooth,
D(h) errs by c h**2 + O(h**4), which Richardson's extrapolation removes: E(h) = D(h/4) + (D(h/4) - D(h)) / 15. What it
removed, and how far two successive extrapolations differ, bound what is left, together with a sixteenth of the same at
the step before; rounding adds noise / h. For each entry the step with the least bound counts.
(Richardson 1911; Press et al., "Numerical recipes", section 5.7.)

An extrapolation is trusted only where f looks smooth between its steps: the slopes to the two sides differ by
|f(h) - 2 f(0) + f(-h)| / h, which shrinks with h, but stays where f has a kink and grows where it jumps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# By how much the bound of an extrapolation exceeds its estimate (Roache 1994, "Perspective: a method for uniform
# reporting of grid refinement studies", equation 13).
SAFETY = 3.0


def extrapolated(central: Array, second: Array, h: Array, noise: Array) -> tuple[Array, Array, Array, Array]:
    """The extrapolation with the least bound for each entry.

    Args:
        central: (M, J, N, C) the central difference of each step.
        second: (M, J, N, C) the magnitude of the second difference of each step.
        h: (J, 1, 1) the steps.
        noise: (M, J, N, C) by how much the displaced image may be off.

    Returns:
        (M, N, C) each: the derivative, its bound, infinite where no step can be trusted, by how much the slopes to the
        two sides of the step differ, and the step.
    """
    removed = (central[:, 1:] - central[:, :-1]) / 15.0
    extrapolated = central[:, 1:] + removed
    bounds = np.abs(extrapolated[:, 1:] - extrapolated[:, :-1]) + np.abs(removed[:, 1:])
    # One of many steps may agree with the next by chance; that the one before does so too is unlikely.
    bounds[:, 1:] += np.nan_to_num(bounds[:, :-1] / 16.0, posinf=0.0)
    bounds *= SAFETY
    bounds += 1.2 * np.fmax(noise[:, 1:-1], noise[:, 2:]) / h[2:]
    # Bounds hold at all steps or at none: over long steps, a fast wave may look like a constant.
    agrees = (extrapolated[:, 1:] + bounds >= _over_smaller_steps(np.fmax, extrapolated[:, 1:] - bounds, -np.inf)) & (
        extrapolated[:, 1:] - bounds <= _over_smaller_steps(np.fmin, extrapolated[:, 1:] + bounds, np.inf)
    )
    between_sides = second / h
    smooth = between_sides[:, 1:] <= 0.5 * between_sides[:, :-1] + 8.0 * np.fmax(noise[:, 1:], noise[:, :-1]) / h[1:]
    # A step is trusted only if all smaller ones look smooth too: at a large step a jump at 0 is hard to see.
    smooth = np.logical_and.accumulate(smooth[:, ::-1], axis=1)[:, ::-1]
    bounds = np.where(smooth[:, 1:] & agrees & np.isfinite(bounds), bounds, np.inf)
    best = np.argmin(bounds, axis=1)[:, None]
    least = np.take_along_axis(bounds, best, axis=1)[:, 0]
    values = np.take_along_axis(extrapolated[:, 1:], best, axis=1)[:, 0]
    # Where no step can be trusted: the smallest step at which there is a difference at all.
    last = central.shape[1] - 1 - np.argmax(np.isfinite(central)[:, ::-1], axis=1)[:, None]
    values = np.where(np.isfinite(least), values, np.take_along_axis(central, last, axis=1)[:, 0])
    bends = np.take_along_axis(between_sides[:, 2:], best, axis=1)[:, 0]
    return values, least, bends, np.asarray(h[:, 0, 0][best[:, 0] + 2])


def _over_smaller_steps(choose: np.ufunc, values: Array, start: float) -> Array:
    """The largest or smallest of the values at all smaller steps, for values (M, J, N, C) from large to small steps."""
    chosen = choose.accumulate(values[:, ::-1], axis=1)[:, ::-1]
    return np.concatenate([chosen[:, 1:], np.full_like(values[:, :1], start)], axis=1)
