"""The mutations of the suite: defects of words, of what is left out, of plans and of reasons."""

from __future__ import annotations

from dataset_platform.kernels.reasoning.mutants.omissions import OMISSIONS
from dataset_platform.kernels.reasoning.mutants.plans import PLANS
from dataset_platform.kernels.reasoning.mutants.reasons import REASONS
from dataset_platform.kernels.reasoning.mutants.words import WORDS

MUTATIONS = (*WORDS, *OMISSIONS, *PLANS, *REASONS)
