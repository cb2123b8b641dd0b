"""params.yaml as frozen dataclasses, checked whole before any work, with the budget's caps applied.

What a setting means and which values it takes stands in dla.settings; the values and their reasons in params.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import AfterValidator
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dla.errors import UserError
from dla.parsing import STRICT, parse, refer
from dla.settings.agents import Agent, DQNRun
from dla.settings.budgets import Budget, EmbeddingCaps, FineTuningCaps, TrainCaps
from dla.settings.data import Corpus, Data, ModelSource, Questions, Source, Texts
from dla.settings.language import Generation, LanguageModel
from dla.settings.models import Model
from dla.settings.text import Embedding, FineTuning, Head, MLPHead, Ranking, Scatter, WordCounts
from dla.settings.training import Runtime, Tracking, Training
from dla.settings.vision import Explanation, GradientStudy, ImageRun, Pair, Repeats

PARAMS_FILE = Path("params.yaml")
T = TypeVar("T")


def _portable(name: str) -> str:
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in name) or name.startswith("."):
        raise ValueError("names are letters, digits, '-', '_' and '.'")
    return name


Key = Annotated[str, AfterValidator(_portable)]


@dataclass(frozen=True, config=STRICT)
class Params:
    """The whole of params.yaml."""

    budget: Literal["demo", "quick", "full"]
    budgets: dict[Literal["demo", "quick", "full"], Budget]
    runtime: Runtime
    tracking: Tracking
    sources: dict[Key, Source]
    data: dict[Key, Data]
    train: dict[Key, ImageRun]
    pair: Pair
    repeats: Repeats
    gradients: GradientStudy
    cam: dict[Key, Explanation]  # by the run that is explained
    embed: dict[Key, Embedding]
    tfidf: dict[Key, WordCounts]
    classify: dict[Key, Head]
    finetune: dict[Key, FineTuning]
    tsne: dict[Key, Scatter]
    rank: dict[Key, Ranking]
    lm: dict[Key, LanguageModel]
    generate: Generation
    agent: dict[Key, Agent]

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
        return _cap_all(study, caps)

    def explanation(self, name: str) -> Explanation:
        """The explanation of run NAME under the budget in force."""
        return _cap_all(lookup(self.cam, name, "cam"), self.budgeted.cam)

    def embedding(self, name: str) -> Embedding:
        """The features NAME under the budget in force."""
        settings = lookup(self.embed, name, "embed")
        return _cap_all(settings, self.budgeted.embed.get(name, EmbeddingCaps()))

    def head(self, name: str) -> Head:
        """The classifier on features NAME under the budget in force."""
        head = lookup(self.classify, name, "classify")
        return _cap_all(head, self.budgeted.classify) if isinstance(head, MLPHead) else head

    def fine_tuning(self, name: str) -> FineTuning:
        """The fine-tuning NAME under the budget in force."""
        settings = lookup(self.finetune, name, "finetune")
        return _cap_all(settings, self.budgeted.finetune.get(name, FineTuningCaps()))

    def scatter(self, name: str) -> Scatter:
        """The t-SNE of NAME under the budget in force."""
        return _cap_all(lookup(self.tsne, name, "tsne"), self.budgeted.tsne)

    def ranking(self, name: str) -> Ranking:
        """The ranking run NAME under the budget in force."""
        return _cap_all(lookup(self.rank, name, "rank"), self.budgeted.rank)

    def language_model(self, name: str) -> LanguageModel:
        """The language model NAME under the budget in force."""
        return _cap_all(lookup(self.lm, name, "lm"), self.budgeted.lm)

    @property
    def generation(self) -> Generation:
        """What is generated under the budget in force."""
        return _cap_all(self.generate, self.budgeted.generate)

    def agent_run(self, name: str) -> Agent:
        """The agent NAME under the budget in force."""
        run = lookup(self.agent, name, "agent")
        caps = self.budgeted.agent[name]
        return replace(
            run,
            seeds=run.seeds[: caps.seeds],
            steps=_cap(run.steps, caps.steps),
            episodes=_cap(run.episodes, caps.episodes),
        )


def cap_run(run: ImageRun, caps: TrainCaps) -> ImageRun:
    """`run` cut down to `caps`; never made larger."""
    return replace(
        run,
        epochs=_cap(run.epochs, caps.epochs),
        batch_size=_cap(run.batch_size, caps.batch_size),
        examples=_cap(run.examples, caps.examples),
        model=_cap_width(run.model, caps.width),
    )


def _cap_all(settings: T, caps: Any) -> T:
    """Every setting that `caps` limits, cut down to it."""
    limited: dict[str, Any] = {
        field.name: _cap(getattr(settings, field.name), getattr(caps, field.name)) for field in fields(caps)
    }
    return replace(settings, **limited)  # type: ignore[type-var]


def _cap(value: Any, limit: int | None) -> Any:
    """The smaller of both, None being no limit."""
    return limit if value is None else value if limit is None else min(value, limit)


def _cap_width(model: Any, limit: int | None) -> Any:
    if hasattr(model, "widths"):
        return replace(model, widths=tuple(_cap(width, limit) for width in model.widths))
    return replace(model, width=_cap(model.width, limit))


# --- reading and checking -------------------------------------------------------------------------------------


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check the parameter file.

    Raises
    ------
    UserError
        In one line, with the file, the key, the value and, where there is one, the nearest name that is known.
    """
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); run from the root of the project") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not valid YAML: {' '.join(str(error).split())}") from None
    params = parse(Params, content, str(path))
    _check_references(params, str(path))
    return params


def _check_references(params: Params, file: str) -> None:
    for name, data in params.data.items():
        refer(f"{file}: data.{name}.source", data.source, params.sources)
    for name, run in params.train.items():
        refer(f"{file}: train.{name}.data", run.data, params.data)
    for side in ("first", "second"):
        contender = getattr(params.pair, side)
        refer(f"{file}: pair.{side}.data", contender.data, params.data)
    if params.pair.first.data != params.pair.second.data:
        raise UserError(f"{file}: pair.second.data = {params.pair.second.data!r} should be that of pair.first")
    if params.pair.first.label == params.pair.second.label:
        raise UserError(f"{file}: pair.second.label = {params.pair.second.label!r} should differ from pair.first's")
    if len(set(params.repeats.seeds)) < len(params.repeats.seeds):
        raise UserError(f"{file}: repeats.seeds = {list(params.repeats.seeds)} names a seed twice")
    for name, explanation in params.cam.items():
        refer(f"{file}: cam", name, params.train)
        run = params.train[name]
        for setting, expected in (("data", run.data), ("family", run.model.family)):
            if (value := getattr(explanation, setting)) != expected:
                raise UserError(f"{file}: cam.{name}.{setting} = {value!r} should be {expected}, as in train.{name}")
    for where, training in params.trainings():
        _check_training(f"{file}: {where}", training)
    refer(f"{file}: gradients.data", params.gradients.data, params.data)
    _check_texts(params, file)
    _check_language(params, file)
    _check_agents(params, file)
    if params.budget not in params.budgets:
        raise UserError(f"{file}: budgets.{params.budget} is missing")
    models = {model for kind in get_args(get_args(Model)[0]) for model in get_args(get_type_hints(kind)["name"])}
    for budget, caps in params.budgets.items():
        for section in ("embed", "finetune", "agent"):
            for name in getattr(caps, section):
                refer(f"{file}: budgets.{budget}.{section}", name, getattr(params, section))
        for model in caps.train:
            refer(f"{file}: budgets.{budget}.train", model, sorted(models))
        for name in params.agent:
            if name not in caps.agent:
                raise UserError(f"{file}: budgets.{budget}.agent.{name} is missing, which agent.{name} needs")
        for name, run in params.train.items():
            if run.model.name not in caps.train:
                raise UserError(f"{file}: budgets.{budget}.train.{run.model.name} is missing, which train.{name} needs")


def _check_texts(params: Params, file: str) -> None:
    kinds = {"text": Texts, "separate": Questions, "joint": Questions}
    models = {name: source for name, source in params.sources.items() if isinstance(source, ModelSource)}
    for name, embedding in params.embed.items():
        refer(f"{file}: embed.{name}.data", embedding.data, params.data)
        refer(f"{file}: embed.{name}.encoder", embedding.encoder, models)
        if not isinstance(params.data[embedding.data], kinds[embedding.formulation]):
            raise UserError(
                f"{file}: embed.{name}.formulation = {embedding.formulation!r} does not fit data {embedding.data}, "
                f"which has kind {params.data[embedding.data].kind}"
            )
    texts = {name for name, made in params.embed.items() if made.formulation == "text"}
    for name, counts in params.tfidf.items():
        known = [key for key, data in params.data.items() if isinstance(data, Texts)]
        refer(f"{file}: tfidf.{name}.data", counts.data, known)
    for name, head in params.classify.items():
        refer(f"{file}: classify.{name}.features", head.features, texts)
    for name, scatter in params.tsne.items():
        refer(f"{file}: tsne.{name}.features", scatter.features, texts)
        if scatter.data != (expected := params.embed[scatter.features].data):
            raise UserError(f"{file}: tsne.{name}.data = {scatter.data!r} should be {expected}, that of its features")
    for name, tuning in params.finetune.items():
        known = [key for key, data in params.data.items() if isinstance(data, Texts | Questions)]
        refer(f"{file}: finetune.{name}.data", tuning.data, known)
        refer(f"{file}: finetune.{name}.encoder", tuning.encoder, models)
    for name, ranking in params.rank.items():
        wanted = "joint" if ranking.combine == "joint" else "separate"
        known = [key for key, made in params.embed.items() if made.formulation == wanted]
        refer(f"{file}: rank.{name}.features", ranking.features, known)


def _check_language(params: Params, file: str) -> None:
    corpora = {name: data for name, data in params.data.items() if isinstance(data, Corpus)}
    for name, corpus in corpora.items():
        for part in corpus.kept:
            refer(f"{file}: data.{name}.kept", part, corpus.parts)
        for pattern in corpus.dropped:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(f"{file}: data.{name}.dropped: {pattern!r} is not a pattern ({error})") from None
    for name, model in params.lm.items():
        refer(f"{file}: lm.{name}.data", model.data, corpora)
        for budget in params.budgets:
            capped = _cap_all(model, params.budgets[budget].lm)
            if capped.width % capped.heads:
                raise UserError(
                    f"{file}: lm.{name}.width = {capped.width} under budget {budget} should be a multiple of "
                    f"heads = {capped.heads}"
                )
    models = {name: source for name, source in params.sources.items() if isinstance(source, ModelSource)}
    refer(f"{file}: generate.pretrained", params.generate.pretrained, models)
    refer(f"{file}: generate.trained", params.generate.trained, params.lm)
    refer(f"{file}: generate.corpus", params.generate.corpus, corpora)


def _check_agents(params: Params, file: str) -> None:
    for name, run in params.agent.items():
        if len(set(run.seeds)) < len(run.seeds):
            raise UserError(f"{file}: agent.{name}.seeds = {list(run.seeds)} names a seed twice")
        if isinstance(run, DQNRun) and run.learning_starts < run.copies:
            raise UserError(
                f"{file}: agent.{name}.learning_starts = {run.learning_starts} should be at least copies = {run.copies}"
            )
        if isinstance(run, DQNRun) and run.train_every % run.copies:
            raise UserError(
                f"{file}: agent.{name}.train_every = {run.train_every} should be a multiple of copies = {run.copies}"
            )


def _check_training(where: str, training: Training) -> None:
    if training.momentum and training.optimizer != "sgd":
        raise UserError(f"{where}.momentum = {training.momentum} is for optimizer: sgd alone")
    if training.warmup and training.schedule == "one-cycle":
        raise UserError(f"{where}.warmup = {training.warmup} is for constant and cosine; one-cycle has its own")
    if training.patience and training.keep == "last":
        raise UserError(f"{where}.patience = {training.patience} waits for a better epoch, which keep: last forgoes")
    if training.label_smoothing and isinstance(training, Ranking) and training.loss != "softmax":
        raise UserError(f"{where}.label_smoothing = {training.label_smoothing} is for loss: softmax alone")


def lookup(table: dict[str, T], name: str, section: str) -> T:
    """The entry `name` of a section of params.yaml."""
    refer(f"{PARAMS_FILE}: {section}", name, table)
    return table[name]
