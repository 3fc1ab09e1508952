"""Trials: how a model answers from cold and from warm, as one result file.

`run_trials(TrialSettings(...))` measures and writes; `llm bench` and the example
``ollama_benchmark`` are options around it.
"""

from __future__ import annotations

from kwdagger.llm.trials.run import TrialResult, run_trials
from kwdagger.llm.trials.settings import TrialSettings

__all__ = ['TrialResult', 'TrialSettings', 'run_trials']
