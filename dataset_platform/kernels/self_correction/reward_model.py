"""A small reward model for off-policy evaluation: what each action would have earned, from rows of other folds only."""

from __future__ import annotations

import numpy as np

from dataset_platform.errors import InputError


def cross_fitted_q(
    contexts: np.ndarray,
    action: np.ndarray,
    reward: np.ndarray,
    n_actions: int,
    folds: int = 5,
    seed: int = 0,
    shrinkage: float = 10.0,
    group: np.ndarray | None = None,
) -> np.ndarray:
    """Expected reward (n, n_actions) of every action in every row's context, from rows of other folds only.

    A ridge regression on the contexts shared by all actions, then one per action on what is left (with an intercept),
    each shrunk as if ``shrinkage`` rows had shown nothing: an action that a fold never saw takes the shared value.
    Out-of-fold values keep DR free of the bias of a model that has seen the row (Chernozhukov et al. 2018).

    Args:
        contexts: (n, d) features; one column per context for a model of shrunken means.
        action: (n,) integers in 0..n_actions−1.
        folds: 2..n; rows of one ``group`` (a trace) share a fold. The split depends on ``seed`` and row order.

    Raises:
        InputError: shapes that do not fit, actions out of range, values that are not finite, too many or few folds.
    """
    contexts, reward = np.asarray(contexts, dtype=np.float64), np.asarray(reward, dtype=np.float64)
    action = np.asarray(action)
    n = len(reward)
    if contexts.ndim != 2 or len(contexts) != n or action.shape != (n,) or reward.shape != (n,):
        raise InputError("contexts, actions and rewards differ in length.", "Pass (n, d), (n,) and (n,).")
    if action.dtype.kind not in "iu" or (n and (action.min() < 0 or action.max() >= n_actions)):
        raise InputError(f"an action is not an integer in 0..{n_actions - 1}.", "Number the actions from 0.")
    if not np.all(np.isfinite(contexts)) or not np.all(np.isfinite(reward)):
        raise InputError("a feature or reward is not finite.", "Leave such rows out.")
    unit = np.arange(n) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    units = int(unit.max()) + 1 if n else 0
    if not 2 <= folds <= units:
        raise InputError(f"{units} rows or groups cannot be dealt into {folds} folds.", "Use 2 folds to one per row.")
    fold = (np.random.default_rng(seed).permutation(units) % folds)[unit]
    fitted = np.empty((n, n_actions))
    for number in range(folds):
        train, test = fold != number, fold == number
        centre, spread = contexts[train].mean(axis=0), contexts[train].std(axis=0)
        scaled = (contexts - centre) / np.where(spread > 0, spread, 1.0)
        base = reward[train].mean()
        shared = _ridge(scaled[train], reward[train] - base, shrinkage)
        level = base + scaled @ shared
        own = np.column_stack([np.ones(n), scaled])
        for arm in range(n_actions):
            held = train & (action == arm)
            fitted[test, arm] = level[test] + own[test] @ _ridge(own[held], (reward - level)[held], shrinkage)
    return fitted


def _ridge(features: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    gram = features.T @ features
    return np.linalg.solve(gram + penalty * np.eye(len(gram)), features.T @ target)
