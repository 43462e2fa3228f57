"""The mutations of the suite: defects of words, of plans and of reasons."""

from __future__ import annotations

from dataset_platform.kernels.reasoning.mutants.plans import PLANS
from dataset_platform.kernels.reasoning.mutants.reasons import REASONS
from dataset_platform.kernels.reasoning.mutants.words import WORDS

MUTATIONS = (*WORDS, *PLANS, *REASONS)
