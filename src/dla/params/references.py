"""What the sections of params.yaml say of one another, checked."""

from __future__ import annotations

import re
from typing import get_args, get_type_hints

from dla.core.errors import UserError
from dla.core.parsing import refer
from dla.data.settings import Corpus, Images, ModelSource, Questions, Texts
from dla.models.settings import CNNModel, Model
from dla.params.budgets import cap_all
from dla.params.whole import Params
from dla.rl.settings import DQNRun, PPORun
from dla.text.settings import Ranking
from dla.training.settings import Training
from dla.vision.settings import ImageTraining


def check_references(params: Params, file: str) -> None:
    """Raise a `UserError` about the first thing in one section that does not fit another."""
    _check_sources(params, file)
    for name, run in params.train.items():
        _check_kind(f"{file}: train.{name}.data", run.data, params)
    for side in ("first", "second"):
        contender = getattr(params.pair, side)
        _check_kind(f"{file}: pair.{side}.data", contender.data, params)
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
        if isinstance(training, ImageTraining):
            _check_places(f"{file}: {where}.model", training.model, params.data[training.data])
    _check_kind(f"{file}: gradients.data", params.gradients.data, params)
    _check_texts(params, file)
    _check_language(params, file)
    _check_agents(params, file)
    if params.budget not in params.budgets:
        raise UserError(f"{file}: budgets.{params.budget} is missing")
    models = {model for kind in get_args(get_args(Model)[0]) for model in get_args(get_type_hints(kind)["name"])}
    for budget, caps in params.budgets.items():
        for section in ("embed", "classify", "finetune", "rank", "agent"):
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


def _check_places(where: str, model: object, data: object) -> None:
    if isinstance(model, CNNModel) and isinstance(data, Images) and not model.places(data.image_size):
        raise UserError(
            f"{where}: kernel {model.kernel}, stride {model.stride} and padding {model.padding} leave nothing of "
            f"{data.image_size} pixels after {len(model.widths)} blocks; take fewer widths or a larger padding"
        )


def _check_sources(params: Params, file: str) -> None:
    """What is prepared comes from a source of its kind."""
    for name, data in params.data.items():
        where = f"{file}: data.{name}.source"
        refer(where, data.source, params.sources)
        wanted = "text" if isinstance(data, Corpus) else "dataset"
        if (there := params.sources[data.source].type) != wanted:
            raise UserError(
                f"{where} = {data.source!r} is a source of type {there}, and kind {data.kind} is made of "
                f"one of type {wanted}"
            )


def _check_kind(where: str, name: str, params: Params) -> None:
    """Image classifiers are trained on images."""
    refer(where, name, params.data)
    if (kind := params.data[name].kind) != "images":
        images = [key for key, data in params.data.items() if data.kind == "images"]
        raise UserError(f"{where} = {name!r} has kind {kind}; of kind images are {', '.join(images) or 'none'}")


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
        if tuning.curriculum and not isinstance(params.data[tuning.data], Questions):
            raise UserError(f"{file}: finetune.{name}.curriculum is for questions, which have levels")
    for name, scorer in params.rank.items():
        wanted = "joint" if isinstance(scorer, Ranking) and scorer.combine == "joint" else "separate"
        known = [key for key, made in params.embed.items() if made.formulation == wanted]
        refer(f"{file}: rank.{name}.features", scorer.features, known)


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
            capped = cap_all(model, params.budgets[budget].lm)
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
        if isinstance(run, DQNRun) and run.buffer < run.copies:
            raise UserError(f"{file}: agent.{name}.buffer = {run.buffer} should be at least copies = {run.copies}")
        if isinstance(run, PPORun) and run.copies * run.rollout < 4 * run.minibatches:
            raise UserError(
                f"{file}: agent.{name}.minibatches = {run.minibatches} of {run.copies} copies x {run.rollout} steps "
                "should have four steps each at least"
            )
        if isinstance(run, DQNRun) and run.train_every % run.copies:
            raise UserError(
                f"{file}: agent.{name}.train_every = {run.train_every} should be a multiple of copies = {run.copies}"
            )


def _check_training(where: str, training: Training) -> None:
    if training.momentum and training.optimizer != "sgd":
        raise UserError(f"{where}.momentum = {training.momentum} is for optimizer: sgd alone")
    if training.beta2 != 0.999 and training.optimizer == "sgd":
        raise UserError(f"{where}.beta2 = {training.beta2} is for optimizer: adam and adamw")
    if training.last_rate and training.schedule != "cosine":
        raise UserError(f"{where}.last_rate = {training.last_rate} is for schedule: cosine alone")
    if training.warmup and training.schedule == "one-cycle":
        raise UserError(f"{where}.warmup = {training.warmup} is for constant and cosine; one-cycle has its own")
    if training.patience and training.keep == "last":
        raise UserError(f"{where}.patience = {training.patience} waits for a better epoch, which keep: last forgoes")
    if training.label_smoothing and isinstance(training, Ranking) and training.loss != "softmax":
        raise UserError(f"{where}.label_smoothing = {training.label_smoothing} is for loss: softmax alone")
