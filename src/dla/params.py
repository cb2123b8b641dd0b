"""params.yaml as frozen dataclasses, checked whole before any work, with the budget's caps applied.

What a setting means and which values it takes stands here; the values and their reasons stand in params.yaml.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from dla.errors import UserError

PARAMS_FILE = Path("params.yaml")
T = TypeVar("T")
STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(min_length=1)]


# --- data -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, config=STRICT)
class HubSource:
    """Where a data set or model comes from: a repository of the Hugging Face Hub, or data the dependencies carry."""

    type: Literal["dataset", "model"]
    repository: Name  # owner/name on the Hub
    revision: Name  # branch, tag or commit
    files: dict[str, str]  # split -> pattern of its files in the repository
    embedded: Name  # the embedded source that stands in for it under a budget with source: embedded


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
class Budget:
    """How much of the full workflow is run."""

    data: DataBudget
    train: dict[str, TrainCaps]  # by the name of the model, so that editing one leaves the runs of the others alone
    pair: TrainCaps
    gradients: GradientCaps
    cam: ExplanationCaps


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
    data: dict[Key, Images]
    train: dict[Key, ImageRun]
    pair: Pair
    repeats: Repeats
    gradients: GradientStudy
    cam: dict[Key, Explanation]  # by the run that is explained

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


def cap_run(run: ImageRun, caps: TrainCaps) -> ImageRun:
    """`run` cut down to `caps`; never made larger."""
    return replace(
        run,
        epochs=_cap(run.epochs, caps.epochs),
        batch_size=_cap(run.batch_size, caps.batch_size),
        examples=caps.examples if run.examples is None else _cap(run.examples, caps.examples),
        model=_cap_width(run.model, caps.width),
    )


def _cap_all(settings: T, caps: Any) -> T:
    """Every setting that `caps` limits, cut down to it."""
    limited: dict[str, Any] = {
        field.name: _cap(getattr(settings, field.name), getattr(caps, field.name)) for field in fields(caps)
    }
    return replace(settings, **limited)  # type: ignore[type-var]


def _cap(value: int, limit: int | None) -> int:
    return value if limit is None else min(value, limit)


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


def parse(schema: type[T], content: object, file: str) -> T:
    """`content` as an instance of the dataclass `schema`, or a `UserError` about the first thing wrong with it."""
    try:
        # By way of JSON, whose strict mode takes a list for a tuple and still no string for a number.
        return TypeAdapter(schema).validate_json(json.dumps(content, default=str))
    except ValidationError as error:
        raise UserError(f"{file}: {_explain(schema, content, error)}") from None


def _explain(schema: Any, content: object, error: ValidationError) -> str:
    # An unknown key and a missing one are most often the same slip: the unknown one names the cause.
    first = min(error.errors(), key=lambda e: e["type"] not in ("unexpected_keyword_argument", "extra_forbidden"))
    keys = [key for key in _walkable(first["loc"], content) if key != "[key]"]  # pydantic's word for a bad key
    where, value = ".".join(map(str, keys)), first.get("input")
    match first["type"]:
        case "unexpected_keyword_argument" | "extra_forbidden":
            parent, key = keys[:-1], str(keys[-1])
            return f"{where} is not a setting{did_you_mean(key, _settings(schema, parent, content))}"
        case "missing" | "missing_argument":
            return f"{where} is missing"
        case "literal_error" | "union_tag_invalid":
            if first["type"] == "union_tag_invalid":
                where, value = f"{where}.{first['ctx']['discriminator'].strip(chr(39))}", first["ctx"]["tag"]
            expected = first["ctx"].get("expected") or first["ctx"]["expected_tags"]
            known = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
            return f"{where} = {value!r} is not one of {', '.join(known)}{did_you_mean(value, known)}"
        case "union_tag_not_found":
            return f"{where}.{first['ctx']['discriminator'].strip(chr(39))} is missing"
        case "dataclass_type" | "dict_type":
            return f"{where or 'the file'} = {value!r} is not a mapping of settings"
    reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ").removeprefix("should ")
    return f"{where} = {value!r} should {reason}" if first["msg"].startswith("Input") else f"{where}: {reason}"


def _walkable(location: tuple[int | str, ...], content: object) -> list[int | str]:
    """`location` without the steps that pydantic adds for the members of a union."""
    keys: list[int | str] = []
    for i, key in enumerate(location):
        last = i == len(location) - 1
        if isinstance(content, dict) and (key in content or last):
            content = content.get(key)
            keys.append(key)
        elif isinstance(content, list) and isinstance(key, int):
            content = content[key]
            keys.append(key)
    return keys


def _settings(schema: Any, keys: list[int | str], content: Any) -> list[str]:
    """Names of the settings that the dataclass found at `keys` below `schema` takes."""
    for key in keys:
        content = content[key]
        schema = _member(schema, str(key), content)
    return [field.name for field in fields(schema)] if is_dataclass(schema) else []


def _member(schema: Any, key: str, content: Any) -> Any:
    """The type of the entry `key` of a dataclass or a dict; of a union, the member that `content` is tagged as."""
    if is_dataclass(schema):
        schema = get_type_hints(schema).get(key)
        members = [m for m in get_args(schema) if is_dataclass(m)]
        tagged = [m for m in members if content.get("name") in get_args(get_type_hints(m).get("name"))]
        return tagged[0] if tagged else schema
    arguments = get_args(schema)
    return arguments[1] if len(arguments) == 2 else None


def _check_references(params: Params, file: str) -> None:
    for name, data in params.data.items():
        _refer(f"{file}: data.{name}.source", data.source, params.sources)
    for name, run in params.train.items():
        _refer(f"{file}: train.{name}.data", run.data, params.data)
        _check_momentum(f"{file}: train.{name}", run)
    for side in ("first", "second"):
        contender = getattr(params.pair, side)
        _refer(f"{file}: pair.{side}.data", contender.data, params.data)
        _check_momentum(f"{file}: pair.{side}", contender)
    if params.pair.first.data != params.pair.second.data:
        raise UserError(f"{file}: pair.second.data = {params.pair.second.data!r} should be that of pair.first")
    if params.pair.first.label == params.pair.second.label:
        raise UserError(f"{file}: pair.second.label = {params.pair.second.label!r} should differ from pair.first's")
    if len(set(params.repeats.seeds)) < len(params.repeats.seeds):
        raise UserError(f"{file}: repeats.seeds = {list(params.repeats.seeds)} names a seed twice")
    for name, explanation in params.cam.items():
        _refer(f"{file}: cam", name, params.train)
        run = params.train[name]
        for setting, expected in (("data", run.data), ("family", run.model.family)):
            if (value := getattr(explanation, setting)) != expected:
                raise UserError(f"{file}: cam.{name}.{setting} = {value!r} should be {expected}, as in train.{name}")
    _refer(f"{file}: gradients.data", params.gradients.data, params.data)
    if params.budget not in params.budgets:
        raise UserError(f"{file}: budgets.{params.budget} is missing")
    models = {model for kind in get_args(get_args(Model)[0]) for model in get_args(get_type_hints(kind)["name"])}
    for budget, caps in params.budgets.items():
        for model in caps.train:
            _refer(f"{file}: budgets.{budget}.train", model, dict.fromkeys(sorted(models)))
        for name, run in params.train.items():
            if run.model.name not in caps.train:
                raise UserError(f"{file}: budgets.{budget}.train.{run.model.name} is missing, which train.{name} needs")


def _check_momentum(where: str, training: Training) -> None:
    if training.momentum and training.optimizer != "sgd":
        raise UserError(f"{where}.momentum = {training.momentum} is for optimizer: sgd alone")


def _refer(where: str, name: str, known: dict[str, Any]) -> None:
    if name not in known:
        raise UserError(f"{where} = {name!r} is not one of {', '.join(known)}{did_you_mean(name, known)}")


def lookup(table: dict[str, T], name: str, section: str) -> T:
    _refer(f"{PARAMS_FILE}: {section}", name, table)
    return table[name]


def did_you_mean(name: object, known: Any) -> str:
    """`; did you mean X?` if one of the known names is near, else nothing."""
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
