"""The whole of params.yaml, and each of its entries as the budget in force leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeVar

from pydantic.dataclasses import dataclass

from dla.core.parsing import STRICT, refer
from dla.core.values import Key
from dla.data.settings import Data, Source
from dla.language.settings import Generation, LanguageModel
from dla.params.budgets import Budget, EmbeddingCaps, FineTuningCaps, HeadCaps, cap_agent, cap_all, cap_run
from dla.rl.settings import Agent, AgentComparison
from dla.text.settings import AnswerScorer, Embedding, FineTuning, Head, MLPHead, Ranking, Scatter, WordCounts
from dla.training.settings import Runtime, Tracking, Training
from dla.vision.settings import Explanation, GradientStudy, ImageRun, Pair, Repeats

T = TypeVar("T")


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of params.yaml."""

    budget: Literal["demo", "quick", "full"]  # which block of `budgets` is in force
    budgets: dict[Literal["demo", "quick", "full"], Budget]
    runtime: Runtime
    tracking: Tracking
    sources: dict[Key, Source]  # where data sets, models and texts come from
    data: dict[Key, Data]  # what is prepared from a source
    train: dict[Key, ImageRun]
    pair: Pair
    repeats: Repeats
    gradients: GradientStudy
    cam: dict[Key, Explanation]  # by the run that is explained
    embed: dict[Key, Embedding]
    tfidf: dict[Key, WordCounts]
    classify: dict[Key, Head]  # what learns classes from frozen features
    finetune: dict[Key, FineTuning]
    tsne: dict[Key, Scatter]
    rank: dict[Key, AnswerScorer]  # what chooses one of a question's options
    lm: dict[Key, LanguageModel]
    generate: Generation
    agent: dict[Key, Agent]  # which algorithm learns in which environment
    agents: AgentComparison

    def trainings(self) -> Iterator[tuple[str, Training]]:
        """Whatever the training loop is asked to train, with its place in the file."""
        for section in ("train", "classify", "finetune", "rank", "lm"):
            for name, settings in getattr(self, section).items():
                if isinstance(settings, Training):
                    yield f"{section}.{name}", settings
        yield "pair.first", self.pair.first
        yield "pair.second", self.pair.second

    @property
    def budgeted(self) -> Budget:
        """The budget in force."""
        return self.budgets[self.budget]

    def image_run(self, name: str) -> ImageRun:
        """The run `train.NAME` as it is trained under the budget in force."""
        run = lookup(self.train, name, "train")
        return cap_run(run, self.budgeted.train[run.model.name])

    def pair_runs(self, seed: int) -> dict[str, ImageRun]:
        """Both runs of the pair from one seed, by label, under the budget in force."""
        return {contender.label: cap_run(contender.run(seed), self.budgeted.pair) for contender in self.pair}

    @property
    def gradient_study(self) -> GradientStudy:
        """The study of gradients under the budget in force."""
        study, caps = self.gradients, self.budgeted.gradients
        return cap_all(study, caps)

    def explanation(self, name: str) -> Explanation:
        """The explanation of run NAME under the budget in force."""
        return cap_all(lookup(self.cam, name, "cam"), self.budgeted.cam)

    def embedding(self, name: str) -> Embedding:
        """The features NAME under the budget in force."""
        settings = lookup(self.embed, name, "embed")
        return cap_all(settings, self.budgeted.embed.get(name, EmbeddingCaps()))

    def head(self, name: str) -> Head:
        """The classifier on features NAME under the budget in force."""
        head = lookup(self.classify, name, "classify")
        caps = self.budgeted.classify.get(name, HeadCaps())
        return cap_all(head, caps) if isinstance(head, MLPHead) else head

    def fine_tuning(self, name: str) -> FineTuning:
        """The fine-tuning NAME under the budget in force."""
        settings = lookup(self.finetune, name, "finetune")
        return cap_all(settings, self.budgeted.finetune.get(name, FineTuningCaps()))

    def scatter(self, name: str) -> Scatter:
        """The t-SNE of NAME under the budget in force."""
        return cap_all(lookup(self.tsne, name, "tsne"), self.budgeted.tsne)

    def answer_scorer(self, name: str) -> AnswerScorer:
        """The scorer of answers NAME under the budget in force."""
        scorer = lookup(self.rank, name, "rank")
        caps = self.budgeted.rank.get(name, HeadCaps())
        return cap_all(scorer, caps) if isinstance(scorer, Ranking) else scorer

    def language_model(self, name: str) -> LanguageModel:
        """The language model NAME under the budget in force."""
        return cap_all(lookup(self.lm, name, "lm"), self.budgeted.lm)

    @property
    def generation(self) -> Generation:
        """What is generated under the budget in force."""
        return cap_all(self.generate, self.budgeted.generate)

    def agent_run(self, name: str) -> Agent:
        """The agent NAME under the budget in force."""
        run = lookup(self.agent, name, "agent")
        return cap_agent(run, self.budgeted.agent[name])


def lookup(table: dict[str, T], name: str, section: str) -> T:
    """The entry `name` of a section of params.yaml."""
    refer(f"params.yaml: {section}", name, table)
    return table[name]
