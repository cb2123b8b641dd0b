"""The whole of params.yaml under one budget."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from dla.core.parameters import BudgetName
from dla.core.parsing import STRICT
from dla.core.values import Key
from dla.data.settings import Budget, Data, Source
from dla.language.settings import Generation, LanguageModel
from dla.rl.settings import Agent, AgentComparison
from dla.text.settings import AnswerScorer, Embedding, FineTuning, Head, LabelCurve, Scatter, WordCounts
from dla.training.settings import Runtime, Tracking
from dla.vision.settings import Explanation, GradientStudy, ImageRun, Pair, Repeats


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of params.yaml, every block as the budget in force cuts it down."""

    budget: BudgetName  # the one in force
    budgets: Annotated[dict[BudgetName, Budget], Field(min_length=1)]
    runtime: Runtime
    tracking: Tracking
    sources: dict[Key, Source]  # where data sets, models and texts come from
    data: dict[Key, Data]  # what is prepared from a source
    explained: dict[Key, ImageRun]  # runs whose class activation maps are drawn: entries of `train` too
    train: dict[Key, ImageRun]
    pair: Pair
    repeats: Repeats
    gradients: GradientStudy
    cam: Explanation
    embed: dict[Key, Embedding]
    tfidf: dict[Key, WordCounts]
    classify: dict[Key, Head]  # what learns classes from frozen features
    labels: dict[Key, LabelCurve]  # both of these by the number of labelled texts
    finetune: dict[Key, FineTuning]
    tsne: dict[Key, Scatter]
    rank: dict[Key, AnswerScorer]  # what chooses one of a question's options
    lm: dict[Key, LanguageModel]
    generate: Generation
    agent: dict[Key, Agent]  # which algorithm learns in which environment
    agents: AgentComparison

    @property
    def data_source(self) -> str:
        """Where the budget in force takes data from: `embedded` or `hub`."""
        return self.budgets[self.budget].source
