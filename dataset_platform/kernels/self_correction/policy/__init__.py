"""Reprompt-template selection (RTS): which template to ask again with after an answer, or whether to stop."""

from __future__ import annotations

from typing import Any

from dataset_platform.kernels.self_correction.policy.bandit import Bandit
from dataset_platform.kernels.self_correction.policy.decision import Decision, Outcome, Policy
from dataset_platform.kernels.self_correction.policy.settings import PolicyConfig

__all__ = ["Decision", "Outcome", "Policy", "PolicyConfig", "load_policy", "new_policy"]


def new_policy(config: PolicyConfig) -> Policy:
    """A policy that knows only its prior.

    Arms are taken as named; whether each has a template is checked where templates are read (``load_templates``).

    Raises:
        ConfigError: ``templates_file`` cannot be read or holds something else.
    """
    return _new(config)


def load_policy(state: dict[str, Any], config: PolicyConfig) -> Policy:
    """The policy that ``to_state`` described, under the settings given.

    ``token_cost``, ``exploration`` and priors may change from one day to the next: the state holds what was seen, not
    what was made of it. Arms may be added.

    Raises:
        StateError: the state is of another algorithm, of another kind of reward, of an unknown version, or knows an
            arm that the settings do not name.
        ConfigError: ``templates_file`` cannot be read or holds something else.
    """
    policy = _new(config)
    policy.load_state(state)
    return policy


def _new(config: PolicyConfig) -> Bandit:
    from dataset_platform.kernels.self_correction.policy.epsilon_greedy import EpsilonGreedy
    from dataset_platform.kernels.self_correction.policy.pooled import Pooled
    from dataset_platform.kernels.self_correction.policy.thompson import FlatThompson, Thompson

    kinds: tuple[type[Bandit], ...] = (Pooled, Thompson, FlatThompson, EpsilonGreedy)
    return next(kind for kind in kinds if kind.algorithm == config.algorithm)(config)
