"""How good is generated text? Words, copies, and of Italian verse its metre and its rhymes.

Every measure is taken of held-out text as well: that is the value to reach, not 1 and not 11.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

VOWELS = "aeiouàèéìòóùïëüäöy"
STRONG = "aeoàèéìòóù"  # an accent makes i and u strong as well
DIVIDED = "ïëüäö"  # a diaeresis says that the vowel is a syllable of its own


@dataclass(frozen=True)
class Passage:
    """A text that may begin and end anywhere."""

    text: str
    before: str = "\n"  # what it follows, which is not judged

    @property
    def words(self) -> list[str]:
        """Its words but for those that its ends may have cut."""
        text = re.sub(rf"{LETTER}+\Z", "", self.text)
        return words(re.sub(rf"\A{LETTER}+", "", text) if re.search(rf"{LETTER}\Z", self.before) else text)

    @property
    def lines(self) -> list[str]:
        """Its whole lines, empty ones too: a line break is before and after each of them."""
        return self.text.split("\n")[0 if self.before.endswith("\n") else 1 : -1]


def quality(passages: Sequence[Passage], known: str, form: str) -> dict[str, float | None]:
    """Measures of passages by a model that learned from `known`, each passage by itself.

    known_words : share of the words that occur in the known text
    longest_copy : characters of the longest passage that stands in the known text word for word
    syllables : mean number per whole line, metrical; rhymes : share of tercets of whole lines whose first and third
        rhyme. Both of verse alone, and None where there is none.
    """
    measures: dict[str, float | None] = {
        "known_words": known_words([word for passage in passages for word in passage.words], known),
        "longest_copy": float(max((longest_copy(passage.text, known) for passage in passages), default=0)),
    }
    if form == "verse":
        lines = [line for passage in passages for line in passage.lines if line.strip()]
        measures["syllables"] = sum(map(syllables, lines)) / len(lines) if lines else None
        counts = [rhyming_tercets(passage.lines) for passage in passages]
        agreed, total = (sum(count) for count in zip(*counts, strict=True))
        measures["rhymes"] = agreed / total if total else None
    return measures


LETTER = r"[^\W\d_]"


def words(text: str) -> list[str]:
    """The words of a text in lower case, elided ones without their apostrophe."""
    return re.findall(f"{LETTER}+", text.lower())


def known_words(written: Sequence[str], known: str) -> float:
    """Share of the written words that occur in `known`, 0 if there are none."""
    vocabulary = set(words(known))
    return sum(word in vocabulary for word in written) / max(len(written), 1)


def longest_copy(written: str, known: str) -> int:
    """Length of the longest passage of `written` that stands in `known`, in characters."""
    longest = 0
    for start in range(len(written)):  # a longer passage is looked for from every start, a shorter one never
        while start + longest < len(written) and written[start : start + longest + 1] in known:
            longest += 1
    return longest


# --- metre ----------------------------------------------------------------------------------------------------


def syllables(line: str) -> int:
    """Metrical syllables of an Italian line: adjacent vowels of two words are one syllable (synalepha).

    An approximation by spelling: where stress decides between one syllable and two, it takes one.
    """
    line_words = words(line)
    merged = sum(_ends_in_vowel(first) and _begins_with_vowel(second) for first, second in pairwise(line_words))
    return sum(map(_syllables_of_word, line_words)) - merged


def _syllables_of_word(word: str) -> int:
    # The u of qu and the i of ci, gi, sci and gli before a vowel are spelling, not sound.
    sounds = re.sub(rf"(qu|(?:[cg]|gl)i)(?=[{VOWELS}])", lambda match: match[1][:-1], word)
    return sum(_syllables_of_vowels(run) for run in re.findall(f"[{VOWELS}]+", sounds))


def _syllables_of_vowels(run: str) -> int:
    """Syllables in a run of vowels: two strong ones are apart, a weak one leans on its neighbour."""
    count = 1
    for first, second in pairwise(run):
        count += second in DIVIDED or first in DIVIDED or (first in STRONG and second in STRONG)
    return count


def _ends_in_vowel(word: str) -> bool:
    return word[-1] in VOWELS


def _begins_with_vowel(word: str) -> bool:
    return word[0] in VOWELS or (word[0] == "h" and len(word) > 1)


# --- rhyme ----------------------------------------------------------------------------------------------------


def rhyming_tercets(lines: Sequence[str]) -> tuple[int, int]:
    """How many tercets have first and third lines that rhyme, and how many tercets there are.

    A canto begins after an empty line, and with it a tercet. Nobody knows which line of a tercet a passage begins with:
    of the three possibilities the one with the largest share is taken. (By chance too: a passage of few lines gets some
    tercets right by luck.)
    """
    first, *others = [canto.split("\n") for canto in re.split(r"\n(?:[ \t]*\n)+", "\n".join(lines).strip("\n"))]
    later = [_agreements(canto) for canto in others]
    counts = [[sum(count) for count in zip(*later, _agreements(first[start:]), strict=True)] for start in range(3)]
    agreed, total = max(counts, key=lambda count: (count[0] / max(count[1], 1), count[1]))
    return agreed, total


def _agreements(canto: Sequence[str]) -> tuple[int, int]:
    """Tercets whose outer lines rhyme, and tercets, counted from the first line."""
    outer = [(canto[i], canto[i + 2]) for i in range(0, len(canto) - 2, 3)]
    return sum(rhyme(first) == rhyme(third) != "" for first, third in outer), len(outer)


def rhyme(line: str) -> str:
    """What rhymes: from the last stressed vowel on (the accented or else the last but one), without accents."""
    last = "".join(words(line)[-1:])
    ending = re.search(rf"[àèéìòóù][^{VOWELS}]*$", last) or re.search(
        rf"[{VOWELS}][^{VOWELS}]*[{VOWELS}][^{VOWELS}]*$", last
    )
    sound = ending[0] if ending else last
    return "".join(letter for letter in unicodedata.normalize("NFD", sound) if not unicodedata.combining(letter))
