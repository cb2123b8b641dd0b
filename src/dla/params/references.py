"""Whether the sections of params.yaml fit each other."""

from __future__ import annotations

from collections.abc import Collection

from dla.core.errors import UserError
from dla.core.parsing import refer
from dla.data.settings import ModelSource
from dla.params.whole import Params
from dla.vision.settings import ImageTraining


def check_references(params: Params, file: str) -> None:
    """Raise a `UserError` about the first thing in one section that does not fit another."""
    refer(f"{file}: budget", params.budget, params.budgets)
    _check_sources(params, file)
    _check_images(params, file)
    _check_texts(params, file)
    _check_language(params, file)


def _check_sources(params: Params, file: str) -> None:
    """What is prepared comes from a source of its kind."""
    for name, data in params.data.items():
        where = f"{file}: data.{name}.source"
        refer(where, data.source, params.sources)
        wanted = "text" if data.kind == "corpus" else "dataset"
        if (there := params.sources[data.source].type) != wanted:
            raise UserError(
                f"{where} = {data.source!r} is a source of type {there}, and kind {data.kind} is made of "
                f"one of type {wanted}"
            )


def _check_images(params: Params, file: str) -> None:
    """Image classifiers are trained on images, of which no layer leaves nothing."""
    trainings: dict[str, ImageTraining] = {
        **{f"train.{name}": run for name, run in params.train.items()},
        "pair.first": params.pair.first,
        "pair.second": params.pair.second,
    }
    for place, training in trainings.items():
        _check_kind(f"{file}: {place}.data", training.data, ["images"], params)
        size: int = params.data[training.data].image_size  # type: ignore[attr-defined]  # of kind images
        if training.cutout >= size:
            raise UserError(f"{file}: {place}.cutout = {training.cutout} leaves nothing of {size} pixels")
        if require_room := getattr(training.model, "require_room", None):
            try:
                require_room(size)
            except ValueError as error:
                raise UserError(f"{file}: {place}.model: {error}") from None
    _check_kind(f"{file}: gradients.data", params.gradients.data, ["images"], params)
    for name, run in params.explained.items():
        if params.train.get(name) != run:
            raise UserError(f"{file}: explained.{name} should be train.{name} as well; see `<<` at the top of `train`")


def _check_kind(where: str, name: str, kinds: Collection[str], params: Params) -> None:
    refer(where, name, params.data)
    if (kind := params.data[name].kind) not in kinds:
        fitting = [key for key, data in params.data.items() if data.kind in kinds]
        raise UserError(
            f"{where} = {name!r} has kind {kind}; of kind {' or '.join(kinds)} are {', '.join(fitting) or 'none'}"
        )


def _check_texts(params: Params, file: str) -> None:
    models = _models(params)
    for name, embedding in params.embed.items():
        kind = "texts" if embedding.formulation == "text" else "questions"
        refer(f"{file}: embed.{name}.data", embedding.data, params.data)
        refer(f"{file}: embed.{name}.encoder", embedding.encoder, models)
        if (there := params.data[embedding.data].kind) != kind:
            raise UserError(
                f"{file}: embed.{name}.formulation = {embedding.formulation!r} does not fit data {embedding.data}, "
                f"which has kind {there}"
            )
    texts = {name for name, made in params.embed.items() if made.formulation == "text"}
    for name, counts in params.tfidf.items():
        _check_kind(f"{file}: tfidf.{name}.data", counts.data, ["texts"], params)
    for name, head in params.classify.items():
        refer(f"{file}: classify.{name}.features", head.features, texts)
    for name, curve in params.labels.items():
        refer(f"{file}: labels.{name}.frozen.features", curve.frozen.features, texts)
        refer(f"{file}: labels.{name}.frozen.name", curve.frozen.name, ["logreg"])
        refer(f"{file}: labels.{name}.counted.data", curve.counted.data, [params.embed[curve.frozen.features].data])
    for name, scatter in params.tsne.items():
        refer(f"{file}: tsne.{name}.features", scatter.features, texts)
    for name, tuning in params.finetune.items():
        _check_kind(f"{file}: finetune.{name}.data", tuning.data, ["texts", "questions"], params)
        refer(f"{file}: finetune.{name}.encoder", tuning.encoder, models)
        if tuning.curriculum and params.data[tuning.data].kind != "questions":
            raise UserError(f"{file}: finetune.{name}.curriculum is for questions, which have levels")
    for name, scorer in params.rank.items():
        known = [key for key, embedding in params.embed.items() if embedding.formulation == scorer.formulation]
        refer(f"{file}: rank.{name}.features", scorer.features, known)


def _check_language(params: Params, file: str) -> None:
    for name, model in params.lm.items():
        _check_kind(f"{file}: lm.{name}.data", model.data, ["corpus"], params)
    refer(f"{file}: generate.pretrained", params.generate.pretrained, _models(params))
    refer(f"{file}: generate.trained", params.generate.trained, params.lm)
    _check_kind(f"{file}: generate.corpus", params.generate.corpus, ["corpus"], params)


def _models(params: Params) -> list[str]:
    return [name for name, source in params.sources.items() if isinstance(source, ModelSource)]
