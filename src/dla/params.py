"""params.yaml as frozen dataclasses, checked whole before any work, with the budget's caps applied.

What a setting means and which values it takes stands here; the values and their reasons stand in params.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dla.errors import UserError
from dla.parsing import STRICT, parse, refer

PARAMS_FILE = Path("params.yaml")
T = TypeVar("T")

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(min_length=1)]


# --- data -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT)
class DatasetSource:
    """Where a data set comes from: a repository of the Hugging Face Hub, or data the dependencies carry."""

    type: Literal["dataset"]
    repository: Name  # owner/name on the Hub, or a folder on this machine
    revision: Name  # branch, tag or commit
    files: dict[str, tuple[Name, ...]]  # split -> patterns of its files in the repository
    embedded: Name  # the embedded source that stands in for it under a budget with source: embedded


@dataclass(frozen=True, config=STRICT)
class ModelSource:
    """Where a pretrained model comes from: a repository of the Hub, or one that is made here."""

    type: Literal["model"]
    repository: Name  # owner/name on the Hub, or a folder on this machine
    revision: Name
    files: tuple[Name, ...]  # patterns of its files in the repository
    embedded: Name


HubSource = Annotated[DatasetSource | ModelSource, Field(discriminator="type")]


@dataclass(frozen=True, config=STRICT)
class Images:
    """One prepared image data set: what `prepare` makes of a source."""

    kind: Literal["images"]
    format: Literal["safetensors"]
    source: Name  # a key of `sources`
    image_column: Name
    label_column: Name
    channels: Literal[1, 3]  # 1: greyscale, 3: RGB
    image_size: Annotated[int, Field(ge=8, le=512)]  # pixels, height and width
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]  # of the training images
    split_seed: Seed


@dataclass(frozen=True, config=STRICT)
class Texts:
    """One prepared set of texts with a class each."""

    kind: Literal["texts"]
    format: Literal["parquet"]
    source: Name
    text_column: Name
    label_column: Name
    validation_fraction: Annotated[float, Field(gt=0, le=0.5)]  # of the training texts
    split_seed: Seed


@dataclass(frozen=True, config=STRICT)
class Questions:
    """One prepared set of multiple-choice questions about articles, in the columns of RACE."""

    kind: Literal["questions"]
    format: Literal["parquet"]
    source: Name
    split_seed: Seed  # of the order of the training questions


Data = Annotated[Images | Texts | Questions, Field(discriminator="kind")]


# --- models ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT)
class MLPModel:
    """Multilayer perceptrons; `skip_mlp` adds a residual connection around every hidden layer."""

    family: Literal["mlp"]
    name: Literal["mlp", "skip_mlp"]
    widths: tuple[Count, ...]  # units of the hidden layers
    dropout: Fraction = 0.0


@dataclass(frozen=True, config=STRICT)
class CNNModel:
    """Fully convolutional networks whose blocks each halve the picture."""

    family: Literal["cnn"]
    name: Literal["cnn"]
    widths: Annotated[tuple[Count, ...], Field(min_length=1)]  # channels of the blocks
    dropout: Fraction = 0.0


@dataclass(frozen=True, config=STRICT)
class DeepCNNModel:
    """Constant-width convolutional networks with or without residual connections."""

    family: Literal["deep_cnn"]
    name: Literal["plain_cnn", "residual_cnn"]
    width: Count  # channels of every layer
    depth: Count  # plain_cnn: convolutions after the stem; residual_cnn: blocks of two convolutions
    batch_norm: bool = True


@dataclass(frozen=True, config=STRICT)
class ResNetModel:
    """Residual networks of He et al. (arXiv 1512.03385) and the same networks without skip connections."""

    family: Literal["resnet"]
    name: Literal["resnet34", "resnet50", "convnet34", "resnet20", "plain20"]
    stem: Literal["imagenet", "cifar"]  # 7x7 stride 2 and max pooling, or 3x3 stride 1
    width: Count  # channels of the first stage; every later stage doubles them


Model = Annotated[MLPModel | CNNModel | DeepCNNModel | ResNetModel, Field(discriminator="name")]


# --- runs -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Training:
    """What the training loop needs to know; a setting that is left out is off."""

    epochs: Count
    batch_size: Count
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: Positive  # the peak, under a schedule that moves
    schedule: Literal["constant", "cosine", "one-cycle"] = "constant"  # per step
    momentum: Fraction = 0.0  # sgd only; Nesterov's form
    weight_decay: NonNegative = 0.0
    label_smoothing: Fraction = 0.0
    gradient_clip: Positive | None = None  # largest norm of the gradient
    keep: Literal["best", "last"] = "best"  # weights of the best epoch on validation, or of the last


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ImageTraining(Training):
    """Data, model, and how it is trained: an image classifier but for the seed."""

    data: Name  # a key of `data`
    model: Model
    examples: Count | None = None  # training images; all of them if left out
    crop_padding: Annotated[int, Field(ge=0, le=64)] = 0  # pixels around the picture before a random crop
    flip: bool = False  # mirror half of the training images


@dataclass(frozen=True, config=STRICT, kw_only=True)
class ImageRun(ImageTraining):
    """One image classifier; all randomness follows from the seed."""

    seed: Seed


# --- comparisons over seeds -----------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Contender(ImageTraining):
    """One of two trainings that are compared."""

    label: Name  # its name in tables and plots

    def run(self, seed: int) -> ImageRun:
        """This training from one seed."""
        shared = {field.name: getattr(self, field.name) for field in fields(ImageTraining)}
        return ImageRun(**shared, seed=seed)


@dataclass(frozen=True, config=STRICT)
class Pair:
    """Two trainings on one data set, compared seed by seed; differences are first minus second."""

    first: Contender
    second: Contender

    def __iter__(self) -> Iterator[Contender]:
        return iter((self.first, self.second))


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Repeats:
    """The seeds a pair is trained from, and how the outcomes are compared."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=2)]
    loss: Positive  # training loss whose first reaching is timed
    confidence: Annotated[float, Field(gt=0.5, lt=1)]  # level of the intervals
    resamples: Count  # of bootstrap and permutation test, which is exact where it has no more arrangements than these
    seed: Seed  # of the bootstrap


# --- gradients ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT, kw_only=True)
class GradientStudy:
    """Constant-width networks of several depths, trained on the same batches while every gradient is measured."""

    data: Name
    depths: Annotated[tuple[Count, ...], Field(min_length=2)]  # of plain_cnn in layers, of residual_cnn in blocks
    batch_norm: Annotated[tuple[bool, ...], Field(min_length=1)]  # with, without, or both
    width: Count
    seed: Seed
    steps: Count
    window: Count  # last steps that the medians are taken over
    batch_size: Count
    optimizer: Literal["sgd", "adam", "adamw"]
    learning_rate: Positive


# --- explanations ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Explanation:
    """What is drawn and scored of one trained image classifier's class activation maps."""

    data: Name  # that of the run
    family: Name  # that of the run's model; both name what the stage depends on
    pictures: Count  # random test pictures that are drawn
    scored: Count  # random test pictures on which deletion and insertion are measured
    seed: Seed  # of both choices, and of the random maps


# --- text -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Embedding:
    """Features of every text of a data set from a frozen language model."""

    data: Name
    encoder: Name  # a key of `sources` of type model
    # What becomes one vector: text: a text; separate: an article, a question, an option each; joint: all three at once.
    formulation: Literal["text", "separate", "joint"]
    pooling: Literal["cls", "mean", "last"]  # the first token's vector, the mean over all tokens, the last token's
    max_tokens: Annotated[int, Field(ge=8)]  # what is longer is cut: at its end, jointly at the end of the article
    examples: Count | None = None  # training rows; all of them if left out


@dataclass(frozen=True, config=STRICT, kw_only=True)
class LogisticRegressionHead:
    """One-vs-rest logistic regression on frozen features."""

    name: Literal["logreg"]
    features: Name  # a key of `embed`
    c: Positive  # scikit-learn's C: the inverse of the regularisation's strength
    iterations: Count  # of L-BFGS, at most


@dataclass(frozen=True, config=STRICT, kw_only=True)
class MLPHead(Training):
    """A multilayer perceptron on frozen features."""

    name: Literal["mlp"]
    features: Name
    widths: tuple[Count, ...]
    dropout: Fraction = 0.0
    seed: Seed


Head = Annotated[LogisticRegressionHead | MLPHead, Field(discriminator="name")]


@dataclass(frozen=True, config=STRICT, kw_only=True)
class WordCounts:
    """Logistic regression on TF-IDF: what counting words comes to, without any language model."""

    data: Name
    longest: Annotated[int, Field(ge=1, le=5)]  # words of the longest n-gram that is counted
    rarest: Count  # texts that a counted n-gram occurs in, at least
    c: Positive
    iterations: Count


@dataclass(frozen=True, config=STRICT, kw_only=True)
class FineTuning(Training):
    """The encoder itself, trained end to end: on texts as a classifier, on questions as a multiple-choice model."""

    data: Name
    encoder: Name
    max_tokens: Annotated[int, Field(ge=8)]
    examples: Count | None = None
    seed: Seed


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Scatter:
    """t-SNE of one split's features."""

    data: Name  # that of the features; names what the stage depends on
    features: Name
    split: Literal["train", "validation", "test"]
    points: Count  # random texts of the split
    perplexity: Positive
    seed: Seed


@dataclass(frozen=True, config=STRICT, kw_only=True)
class Ranking(Training):
    """A perceptron that scores every option of a question; the highest score is the answer."""

    features: Name
    # What it sees of separate features: their mean, or side by side with their products; joint features as they are.
    combine: Literal["mean", "interaction", "joint"]
    loss: Literal["margin", "ratio", "softmax"]
    widths: tuple[Count, ...]
    dropout: Fraction = 0.0
    seed: Seed


# --- budgets --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT)
class DataBudget:
    """Where data come from."""

    source: Literal["embedded", "hub"]


@dataclass(frozen=True, config=STRICT)
class TrainCaps:
    """Upper limits on a run; what is left out is not limited."""

    epochs: Count | None = None
    examples: Count | None = None  # training images
    batch_size: Count | None = None
    width: Count | None = None  # of every layer


@dataclass(frozen=True, config=STRICT)
class GradientCaps:
    """Upper limits on the study of gradients."""

    steps: Count | None = None
    window: Count | None = None
    batch_size: Count | None = None
    width: Count | None = None


@dataclass(frozen=True, config=STRICT)
class ExplanationCaps:
    """Upper limits on an explanation."""

    scored: Count | None = None


@dataclass(frozen=True, config=STRICT)
class EmbeddingCaps:
    """Upper limits on what is encoded."""

    examples: Count | None = None
    max_tokens: Count | None = None


@dataclass(frozen=True, config=STRICT)
class HeadCaps:
    """Upper limits on what is trained on features."""

    epochs: Count | None = None


@dataclass(frozen=True, config=STRICT)
class FineTuningCaps:
    """Upper limits on the training of an encoder."""

    epochs: Count | None = None
    batch_size: Count | None = None
    examples: Count | None = None
    max_tokens: Count | None = None


@dataclass(frozen=True, config=STRICT)
class ScatterCaps:
    """Upper limits on t-SNE."""

    points: Count | None = None


@dataclass(frozen=True, config=STRICT)
class Budget:
    """How much of the full workflow is run."""

    data: DataBudget
    train: dict[str, TrainCaps]  # by the name of the model, so that editing one leaves the runs of the others alone
    pair: TrainCaps
    gradients: GradientCaps
    cam: ExplanationCaps
    embed: dict[str, EmbeddingCaps]  # by the data set
    classify: HeadCaps
    finetune: dict[str, FineTuningCaps]  # by the data set
    tsne: ScatterCaps
    rank: HeadCaps


# --- the file -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT)
class Runtime:
    """How computation is done; `auto` decides from the machine and the size of the work."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "float32", "bfloat16"]
    compile: Literal["auto", "always", "never"]
    threads: Count | None = None  # CPU threads, one per core if left out; results depend on their number


@dataclass(frozen=True, config=STRICT)
class Tracking:
    """Logs beside the results; nothing here changes a result."""

    tensorboard: bool
    wandb: bool


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
    sources: dict[Key, HubSource]
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
        return _cap_all(settings, self.budgeted.embed.get(settings.data, EmbeddingCaps()))

    def head(self, name: str) -> Head:
        """The classifier on features NAME under the budget in force."""
        head = lookup(self.classify, name, "classify")
        return _cap_all(head, self.budgeted.classify) if isinstance(head, MLPHead) else head

    def fine_tuning(self, name: str) -> FineTuning:
        """The fine-tuning NAME under the budget in force."""
        settings = lookup(self.finetune, name, "finetune")
        return _cap_all(settings, self.budgeted.finetune.get(settings.data, FineTuningCaps()))

    def scatter(self, name: str) -> Scatter:
        """The t-SNE of NAME under the budget in force."""
        return _cap_all(lookup(self.tsne, name, "tsne"), self.budgeted.tsne)

    def ranking(self, name: str) -> Ranking:
        """The ranking run NAME under the budget in force."""
        return _cap_all(lookup(self.rank, name, "rank"), self.budgeted.rank)


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
        _check_momentum(f"{file}: train.{name}", run)
    for side in ("first", "second"):
        contender = getattr(params.pair, side)
        refer(f"{file}: pair.{side}.data", contender.data, params.data)
        _check_momentum(f"{file}: pair.{side}", contender)
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
    refer(f"{file}: gradients.data", params.gradients.data, params.data)
    _check_texts(params, file)
    if params.budget not in params.budgets:
        raise UserError(f"{file}: budgets.{params.budget} is missing")
    models = {model for kind in get_args(get_args(Model)[0]) for model in get_args(get_type_hints(kind)["name"])}
    for budget, caps in params.budgets.items():
        for model in caps.train:
            refer(f"{file}: budgets.{budget}.train", model, sorted(models))
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


def _check_momentum(where: str, training: Training) -> None:
    if training.momentum and training.optimizer != "sgd":
        raise UserError(f"{where}.momentum = {training.momentum} is for optimizer: sgd alone")


def lookup(table: dict[str, T], name: str, section: str) -> T:
    """The entry `name` of a section of params.yaml."""
    refer(f"{PARAMS_FILE}: {section}", name, table)
    return table[name]
