"""A language model of characters: its text, its tokenizer, its training, what it writes and how that is judged."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from dla.cli.main import main
from dla.core.artifacts import read_texts, write_texts
from dla.core.errors import UserError
from dla.data import web
from dla.data.kinds import corpus
from dla.data.settings import TextSource
from dla.language.characters import UNKNOWN, build_tokenizer, tokens_of, unknown_characters
from dla.language.generate import Continuation, Speaker, as_markdown, continuations, read_speaker, token_count
from dla.language.lm import Logits, NextToken, Passages, RandomPassages, build_gpt
from dla.language.settings import Generation, LanguageModel, Sampling
from dla.language.speakers import parse_sampling
from dla.language.stream import stream
from dla.language.verse import Passage, known_words, longest_copy, quality, rhyme, rhyming_tercets, syllables, words
from dla.training.optim import Steps, build_optimizer

from .conftest import run_stage

Change = Callable[[Path, dict[str, object]], None]

# Inferno I 1-9; the poem is in the public domain.
TERCETS = """Nel mezzo del cammin di nostra vita
mi ritrovai per una selva oscura,
ché la diritta via era smarrita.
Ahi quanto a dir qual era è cosa dura
esta selva selvaggia e aspra e forte
che nel pensier rinova la paura!
Tant' è amara che poco è più morte;
ma per trattar del ben ch'i' vi trovai,
dirò de l'altre cose ch'i' v'ho scorte.
"""
# Inferno I 10-15.
LATER_TERCETS = """Io non so ben ridir com' i' v'intrai,
tant' era pien di sonno a quel punto
che la verace via abbandonai.
Ma poi ch'i' fui al piè d'un colle giunto,
là dove terminava quella valle
che m'avea di paura il cor compunto,
"""


def settings(**changes: Any) -> LanguageModel:
    values: dict[str, Any] = {
        "data": "dante",
        "layers": 2,
        "heads": 2,
        "width": 32,
        "context": 16,
        "seed": 1,
        "epochs": 2,
        "steps": 3,
        "batch_size": 4,
        "optimizer": "adamw",
        "learning_rate": 3e-3,
        "prompt": "Nel mezzo",
        "length": 40,
        "sampling": Sampling(),
    }
    return LanguageModel(**(values | changes))


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    """A model with random weights, and the tokenizer of nine verses."""
    tokenizer = build_tokenizer(TERCETS, 16)
    torch.manual_seed(0)
    return Speaker(build_gpt(settings(), len(tokenizer), 1).eval(), tokenizer)


# --- the text -------------------------------------------------------------------------------------------------

SOURCE = """A TITLE
by somebody

ONE
I
[what happens]
first line   
second line



II
third line
TWO
fourth line
"""  # noqa: W291 (spaces at an end, to be dropped)


def corpus_settings(**changes: Any) -> corpus.Settings:
    values: dict[str, Any] = {
        "kind": "corpus",
        "source": "dante",
        "form": "verse",
        "parts": ("ONE", "TWO"),
        "kept": ("ONE",),
        "dropped": (r"\[[^]]*\]", "^I+$"),
        "validation_fraction": 0.3,
        "test_fraction": 0.3,
    }
    return corpus.Settings(**(values | changes))


def prepared_text(folder: Path, source: str = "hub", **changes: Any) -> tuple[dict[str, str], dict[str, Any]]:
    raw = folder / "raw"
    raw.mkdir(exist_ok=True)
    (raw / "text.txt").write_text(SOURCE, encoding="utf-8")
    corpus.prepare(raw, corpus_settings(**changes), folder / "out.parquet", source)
    table, facts = read_texts(folder / "out.parquet")
    return dict(zip(table["split"].to_pylist(), table["text"].to_pylist(), strict=True)), facts


def test_a_part_is_kept_without_headings_and_summaries(tmp_path: Path) -> None:
    splits, facts = prepared_text(tmp_path)
    assert "".join(splits.values()) == "first line\nsecond line\n\nthird line\n"
    assert facts == {"source": "hub", "form": "verse"}


def test_the_text_is_cut_three_ways_and_between_lines(tmp_path: Path) -> None:
    splits, _ = prepared_text(tmp_path)
    assert splits == {"train": "first line\n", "validation": "second line\n\n", "test": "third line\n"}


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_without_text_is_an_error(tmp_path: Path, split: str) -> None:
    with pytest.raises(UserError, match=rf"raw/text.txt: leaves \d characters for {split}, which is too few"):
        prepared_text(tmp_path, "hub", **{f"{split}_fraction": 1e-9})


def test_an_empty_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves 0 characters for train"):
        prepared_text(tmp_path, kept=())


def test_several_parts_stand_in_the_order_of_the_text(tmp_path: Path) -> None:
    splits, _ = prepared_text(tmp_path, kept=("TWO", "ONE"))
    assert "".join(splits.values()).split() == ["first", "line", "second", "line", "third", "line", "fourth", "line"]


def test_of_an_embedded_text_everything_is_kept_as_prose(tmp_path: Path) -> None:
    splits, facts = prepared_text(tmp_path, source="embedded")
    assert "".join(splits.values()) == SOURCE
    assert facts["form"] == "prose"


def test_a_part_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no line 'THREE', which begins a part"):
        prepared_text(tmp_path, parts=("ONE", "THREE"), kept=("THREE",))


def text_source(file: Path, **changes: str) -> TextSource:
    content = file.read_bytes() if file.exists() else b""
    values = {"url": str(file), "sha256": hashlib.sha256(content).hexdigest(), "embedded": "docstring-text"}
    return TextSource(type="text", **(values | changes))


def test_a_text_is_fetched_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("data/raw/dante")  # which stages write: fetched again, the text takes the place of itself
    file = tmp_path / "poem.txt"
    file.write_text(TERCETS, encoding="utf-8")
    web.download(text_source(file), folder)
    web.download(text_source(file, url=file.as_uri()), folder)
    assert (folder / "text.txt").read_text(encoding="utf-8") == TERCETS


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (TERCETS.encode(), {"sha256": "0" * 64}, r"has the sha256 \w+, not 0+, as params.yaml says"),
        (None, {}, "cannot be fetched .*No such file"),
        ("perché".encode("latin-1"), {}, "is not UTF-8"),
        (b"", {"url": "http://127.0.0.1:9/poem.txt"}, "cannot be fetched .*connect to the internet"),
        (b"", {"url": "htp://somewhere/poem.txt"}, "cannot be fetched .*Protocol not known: htp"),
    ],
)
def test_another_text_or_none_leaves_nothing_behind(
    tmp_path: Path, content: bytes | None, changes: dict[str, str], message: str
) -> None:
    file = tmp_path / "poem.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=message):
        web.download(text_source(file, **changes), tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


# --- the tokenizer --------------------------------------------------------------------------------------------


def test_every_character_comes_back(speaker: Speaker) -> None:
    tokens = tokens_of(speaker.tokenizer, TERCETS)
    assert len(tokens) == len(TERCETS)
    for skip in (False, True):
        assert speaker.tokenizer.decode(tokens, skip_special_tokens=skip) == TERCETS


def test_an_unknown_character_is_reported(speaker: Speaker) -> None:
    assert speaker.tokenizer("k")["input_ids"] == [speaker.tokenizer.convert_tokens_to_ids(UNKNOWN)]
    assert unknown_characters(speaker.tokenizer, "Nel work") == "wk"
    with pytest.raises(UserError, match="'wk', which the model has never seen"):
        tokens_of(speaker.tokenizer, "Nel work")


# --- training -------------------------------------------------------------------------------------------------


def test_targets_are_the_characters_that_follow() -> None:
    passages = RandomPassages(torch.arange(100), settings())
    batches = list(passages.epoch(1))
    assert len(batches) == len(passages) == 3
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (4, 16)
        assert torch.equal(inputs + 1, targets)
        assert torch.equal(inputs[:, 1:], inputs[:, :-1] + 1)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, passages.epoch(1), strict=True))
    assert not torch.equal(batches[0][0], next(passages.epoch(2))[0])


def test_every_passage_of_a_text_can_be_drawn() -> None:
    drawn = torch.cat([x[:, 0] for x, _ in RandomPassages(torch.arange(20), settings(steps=100)).epoch(1)])
    assert sorted(set(drawn.tolist())) == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [5, 17, 64, 65, 40_000])
def test_validation_predicts_every_character_once(count: int) -> None:
    passages = Passages(torch.arange(count), 16)
    batches = list(passages.epoch(0))
    seen = torch.cat([targets.flatten() for _, targets in batches])
    assert seen.tolist() == list(range(1, count))
    assert all(torch.equal(inputs + 1, targets) for inputs, targets in batches)
    assert all(inputs.shape[1] <= 16 and len(inputs) for inputs, _ in batches)


def test_at_first_every_character_is_as_likely_as_every_other() -> None:
    tokenizer = build_tokenizer(TERCETS, 64)
    torch.manual_seed(0)
    model = Logits(build_gpt(settings(context=64, width=96, heads=4), len(tokenizer), 1)).eval()
    tokens = torch.tensor(tokens_of(tokenizer, TERCETS))
    losses = [NextToken()(model, batch)[0].item() for batch in Passages(tokens, 64).epoch(0)]
    assert sum(losses) / len(losses) == pytest.approx(math.log(len(tokenizer)), rel=0.05)


def test_it_learns_one_batch_by_heart() -> None:
    wanted = settings(dropout=0.0, learning_rate=1e-2, schedule="cosine", warmup=0.1)
    tokens = torch.tensor(tokens_of(build_tokenizer(TERCETS, 16), TERCETS))
    torch.manual_seed(0)
    model = Logits(build_gpt(wanted, int(tokens.max()) + 1, 1)).train()
    batch = next(RandomPassages(tokens, wanted).epoch(1))
    steps = Steps(wanted, build_optimizer(model, wanted), first=0, total=150)
    for _ in range(150):
        loss, right, count = NextToken()(model, batch)
        loss.backward()
        steps.step()
    assert loss.item() < 0.4  # the first characters of a passage follow from nothing
    assert right.item() / count > 0.85


def test_no_character_looks_ahead(speaker: Speaker) -> None:
    model = Logits(speaker.model)
    first = torch.randint(1, 20, (1, 16))
    second = first.clone()
    second[:, 9:] = 20 - second[:, 9:]
    with torch.no_grad():
        torch.testing.assert_close(model(first)[:, :9], model(second)[:, :9])


@pytest.fixture
def run(project: Path, change: Change) -> Path:
    """A project with one small run that has everything random, on the nine verses."""
    columns = {"split": ["train", "validation", "test"], "text": [TERCETS * 3, TERCETS, LATER_TERCETS]}
    write_texts(project / "data/prepared/dante/texts.parquet", columns, {"source": "hub", "form": "verse"})
    small = {"layers": 2, "heads": 2, "width": 32, "context": 16, "batch_size": 8, "steps": 30, "epochs": 6}
    changes = {f"lm.dante.{name}": value for name, value in (small | {"length": 60, "patience": 6}).items()}
    change(project / "params.yaml", {"budget": "full", "tracking.tensorboard": False, **changes})
    return project


RESULTS = (
    "models/lm/dante/model.safetensors",
    "models/lm/dante/tokenizer.json",
    "metrics/lm/dante.json",
    "plots/lm/dante.csv",
    "data/samples/dante.txt",
)


@pytest.mark.slow
def test_killed_in_the_middle_of_an_epoch_it_ends_in_the_same_bits(run: Path) -> None:
    whole = run_stage("lm", "dante")
    assert whole.returncode == 0, whole.stderr
    expected = [(run / path).read_bytes() for path in RESULTS]
    for path in RESULTS:
        (run / path).unlink()
    process = subprocess.Popen([sys.executable, "stages/lm.py", "dante"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if line.startswith("epoch 2/6"):
            process.kill()
            break
    assert process.wait() == -9
    process.stdout.close()
    resumed = run_stage("lm", "dante")
    assert resumed.returncode == 0, resumed.stderr
    first = next(line for line in resumed.stdout.splitlines() if line.startswith("epoch"))
    assert 2 < int(first.removeprefix("epoch").partition("/")[0]) <= 6
    assert [(run / path).read_bytes() for path in RESULTS] == expected

    # What it leaves is a model of transformers: no code of ours loads it and lets it write.
    folder = run / "models/lm/dante"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert tokenizer.decode(tokenizer(TERCETS)["input_ids"]) == TERCETS
    assert model.config.n_positions == 16
    pipeline = transformers.pipeline("text-generation", model=str(folder), device="cpu")
    written = pipeline("Nel mezzo", max_new_tokens=5, do_sample=False)[0]["generated_text"]
    assert written.startswith("Nel mezzo")
    assert len(written) == len("Nel mezzo") + 5

    metrics = json.loads((run / "metrics/lm/dante.json").read_text())
    assert set(metrics["validation"]) == {"loss", "accuracy"}
    found = metrics["test"]
    assert found["loss"] != metrics["validation"]["loss"]
    assert found["bits_per_character"] == pytest.approx(found["loss"] / math.log(2))
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert metrics["best_step"] % 30 == 0
    assert set(metrics["quality"]["sample"]) == {"known_words", "longest_copy", "syllables", "rhymes"}


def test_a_prompt_that_cannot_be_read_is_an_error_before_training(run: Path, change: Change) -> None:
    change(run / "params.yaml", {"lm.dante.prompt": "Work"})
    stopped = run_stage("lm", "dante")
    assert (stopped.returncode, stopped.stdout) == (2, "")
    assert "'Wk', which the model has never seen" in stopped.stderr


# --- writing --------------------------------------------------------------------------------------------------


def written(speaker: Speaker, length: int = 50, seed: int = 1, **sampling: Any) -> str:
    prompt = tokens_of(speaker.tokenizer, "Nel")
    return "".join(stream(speaker.model, speaker.tokenizer, prompt, length, Sampling(**sampling), seed))


def test_the_same_seed_writes_the_same(speaker: Speaker) -> None:
    assert written(speaker, seed=1) == written(speaker, seed=1) != written(speaker, seed=2)


def test_a_text_goes_on_beyond_the_models_positions(speaker: Speaker) -> None:
    assert len(written(speaker, length=100)) == 100


def test_greedy_is_transformers_greedy(speaker: Speaker) -> None:
    prompt = torch.tensor([tokens_of(speaker.tokenizer, "Nel")])
    theirs = speaker.model.generate(prompt, max_new_tokens=12, do_sample=False, pad_token_id=0)[0, 3:]
    assert written(speaker, length=12, greedy=True) == speaker.tokenizer.decode(theirs)


def test_top_k_of_one_and_a_tiny_top_p_are_greedy(speaker: Speaker) -> None:
    greedy = written(speaker, length=12, greedy=True)
    assert written(speaker, length=12, top_k=1) == written(speaker, length=12, top_p=1e-6) == greedy


def generation(**changes: Any) -> Generation:
    values: dict[str, Any] = {
        "pretrained": "gpt2",
        "trained": "dante",
        "corpus": "dante",
        "prompts": ("Nel", "Work"),
        "methods": {"greedy": Sampling(greedy=True), "beam": Sampling(beams=3), "top-k": Sampling(top_k=5)},
        "length": 10,
        "seed": 1,
    }
    return Generation(**(values | changes))


def test_every_method_continues_every_prompt_that_can_be_read(speaker: Speaker) -> None:
    rows = list(continuations("dante", speaker, generation()))
    assert [row.method for row in rows] == ["greedy", "beam", "top-k", ""]
    assert all(len(row.text) == 10 for row in rows[:3])
    assert rows[0].text == written(speaker, length=10, greedy=True)
    assert rows[3] == Continuation("dante", "Work", reason="does not know the characters Wk")
    assert rows == list(continuations("dante", speaker, generation()))


def test_what_does_not_fit_the_positions_is_not_written(speaker: Speaker) -> None:
    (row,) = continuations(
        "d", speaker, generation(prompts=("Nel mezzo del",), methods={"g": Sampling(greedy=True)}, length=50)
    )
    assert len(row.text) == 16 - len("Nel mezzo del")


def test_a_prompt_that_fills_the_positions_is_not_continued(speaker: Speaker) -> None:
    (row,) = continuations("d", speaker, generation(prompts=("Nel mezzo del cammin",)))
    assert (row.text, row.reason) == ("", "the prompt has 20 tokens, and the model reads 16 at once")


def test_the_page_is_a_table_per_prompt(speaker: Speaker) -> None:
    rows = list(continuations("dante", speaker, generation()))
    page = as_markdown(rows, {"dante": token_count(speaker.tokenizer, TERCETS)}, "embedded")
    assert "Embedded data" in page
    assert page.count("| dante | greedy |") == 1
    assert "does not know the characters Wk" in page
    assert f"| dante | {len(TERCETS)} | {len(TERCETS)} | 1.000 |" in page


@pytest.fixture
def saved(speaker: Speaker, project: Path) -> Path:
    for kept in (speaker.model, speaker.tokenizer):
        kept.save_pretrained(project / "models/lm/dante")
    return project


def test_the_command_writes_what_the_library_does(
    saved: Path, speaker: Speaker, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["generate", "Nel", "--length", "20", "--sample", "greedy"]) == 0
    text = capsys.readouterr().out
    assert text == f"Nel{written(speaker, length=20, greedy=True)}\n"
    assert main(["generate", "Nel", "--length", "20", "--sample", "greedy", "--model", "models/lm/dante"]) == 0
    assert capsys.readouterr().out == text
    assert main(["generate", "--length", "20"]) == 0
    assert len(capsys.readouterr().out) == 21


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Nel", "--model", "dnate"], "there are: dante; did you mean dante?"),
        (["Nel", "--sample", "top-q=3"], "is not one of greedy, temperature, top-k, top-p; did you mean top-p?"),
        (["Nel", "--sample", "top-p=2"], "--sample: top_p = 2 should be less than or equal to 1"),
        (["Nel", "--sample", "top-p=high"], "'high' is not a number"),
        (["Nel", "--sample", "beams=3"], "a beam knows its first token only at the end"),
        (["Work"], "'Wk', which the model has never seen"),
    ],
)
def test_the_command_says_in_one_line_what_is_wrong(
    saved: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["generate", *arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert told.out == ""


def test_sampling_is_read_from_words() -> None:
    assert parse_sampling("top-p=0.9,temperature=0.8") == Sampling(top_p=0.9, temperature=0.8)
    assert parse_sampling("greedy") == Sampling(greedy=True)
    assert parse_sampling("") == Sampling()


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is missing; `dvc repro` makes it"):
        read_speaker(tmp_path / "none")
    with pytest.raises(UserError, match="holds no model that can be read"):
        read_speaker(tmp_path)


# --- how good is it? ------------------------------------------------------------------------------------------


def test_syllables_of_verse_are_about_eleven() -> None:
    lines = TERCETS.splitlines()
    assert syllables("Nel mezzo del cammin di nostra vita") == 11
    assert syllables("esta selva selvaggia e aspra e forte") == 10  # eleven sung: stress keeps e and aspra apart
    assert syllables("mi ritrovai per una selva oscura,") == 11
    assert syllables("Ilïón") == 3  # the diaeresis parts what is one syllable without
    assert sum(map(syllables, lines)) / len(lines) == pytest.approx(11, abs=0.7)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("nostra vita", "era smarrita."),
        ("poco è più morte;", "ch'i' v'ho scorte."),
        ("e parlò", "ch'ella andò"),
        ("volto", "vòlto"),
    ],
)
def test_rhymes_begin_at_the_stressed_vowel(first: str, second: str) -> None:
    assert rhyme(first) == rhyme(second)


# Inferno I 130 to 136, the end of the canto with its single line, and II 1 to 6.
CANTOS = """E io a lui: «Poeta, io ti richeggio
per quello Dio che tu non conoscesti,
a ciò ch'io fugga questo male e peggio,
che tu mi meni là dov' or dicesti,
sì ch'io veggia la porta di san Pietro
e color cui tu fai cotanto mesti».
Allor si mosse, e io li tenni dietro.

Lo giorno se n'andava, e l'aere bruno
toglieva li animai che sono in terra
da le fatiche loro; e io sol uno
m'apparecchiava a sostener la guerra
sì del cammino e sì de la pietate,
che ritrarrà la mente che non erra.
"""


def lines(text: str) -> list[str]:
    return text.split("\n")[:-1]


@pytest.mark.parametrize("first", [0, 1, 2, 3])
def test_rhymes_do_not_depend_on_the_line_a_passage_begins_with(first: int) -> None:
    """Of Dante all tercets rhyme, from whichever line they are counted."""
    agreed, total = rhyming_tercets(lines(CANTOS)[first:])
    assert agreed == total >= 3
    (passage,) = (Passage("\n".join(lines(TERCETS)[first:]) + "\n"),)
    assert quality([passage], TERCETS, "verse")["rhymes"] == 1


def test_tercets_that_do_not_rhyme_are_counted() -> None:
    assert rhyming_tercets(lines(TERCETS)) == (3, 3)
    agreed, total = rhyming_tercets(sorted(lines(TERCETS)))
    assert agreed < total
    assert rhyming_tercets([]) == rhyming_tercets(["Nel mezzo", "vita"]) == (0, 0)
    assert rhyming_tercets(["", "", *lines(TERCETS), "", " ", "", *lines(LATER_TERCETS)]) == (5, 5)


def test_only_whole_lines_and_words_are_judged() -> None:
    begun = Passage(" vita\nmi ritrovai per una selva oscura,\n\nché la dir", before="Nel mezzo del cammin di nostra")
    assert begun.lines == ["mi ritrovai per una selva oscura,", ""]
    assert begun.words == words("vita mi ritrovai per una selva oscura ché la")
    assert Passage("nostra vi", before="Nel mezzo di ").words == ["nostra"]
    assert Passage("stra vi", before="Nel mezzo di no").words == []
    assert Passage("Nel\nmez", before="\n").lines == Passage("\nNel\nmez", before="vita").lines == ["Nel"]
    assert Passage("", before="vita").lines == Passage("", before="\n").lines == []


def test_passages_are_judged_one_by_one() -> None:
    """What joined would make a line of four syllables and a word of two is cut off from both."""
    apart = quality([Passage(f"{TERCETS}Nel mez"), Passage(f"zo\n{TERCETS}", before="Nel mez")], TERCETS, "verse")
    assert apart == quality([Passage(TERCETS)], TERCETS, "verse")


def test_where_no_line_is_whole_there_is_no_metre() -> None:
    found = quality([Passage("Nel mezzo del cammin"), Passage("vita", before="nostra ")], TERCETS, "verse")
    assert (found["syllables"], found["rhymes"]) == (None, None)


def test_words_that_the_text_has_are_known() -> None:
    assert known_words(words("nel mezzo, Smarrita; zorba"), TERCETS) == 0.75
    assert known_words([], TERCETS) == 0


@pytest.mark.parametrize(
    ("text", "expected"), [("xx mezzo del camxx", 14), ("", 0), (TERCETS, len(TERCETS)), ("kkk", 0)]
)
def test_the_longest_copy_is_the_longest_common_passage(text: str, expected: int) -> None:
    assert longest_copy(text, TERCETS) == expected
    every = {text[i:j] for i in range(min(len(text), 40)) for j in range(i + 1, min(len(text), 40) + 1)}
    assert longest_copy(text[:40], TERCETS) == max((len(part) for part in every if part in TERCETS), default=0)


def test_prose_has_no_metre() -> None:
    assert set(quality([Passage(TERCETS)], TERCETS, "prose")) == {"known_words", "longest_copy"}
    assert set(quality([Passage(TERCETS)], TERCETS, "verse")) > {"syllables", "rhymes"}
