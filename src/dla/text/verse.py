"""How good is generated text? Words, copies, and of Italian verse its metre and its rhymes.

Every measure is taken of held-out text as well: that is the value to reach, not 1 and not 11.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

VOWELS = "aeiouàèéìòóùïëüäöy"
STRONG = "aeoàèéìòóù"  # an accent makes i and u strong as well
DIVIDED = "ïëüäö"  # a diaeresis says that the vowel is a syllable of its own


def quality(written: str, known: str, form: str) -> dict[str, float]:
    """Measures of `written` by a model that learned from `known`.

    known_words : share of the written words that occur in the known text
    longest_copy : characters of the longest passage that stands in the known text word for word
    syllables : mean number per line, metrical; rhymes : share of tercets whose first and third lines rhyme. Both of
        verse alone.
    """
    found = {"known_words": known_words(written, known), "longest_copy": float(longest_copy(written, known))}
    if form == "verse":
        lines = [line for line in written.splitlines() if line.strip()]
        found["syllables"] = sum(map(syllables, lines)) / max(len(lines), 1)
        found["rhymes"] = rhyming_tercets(written)
    return found


def words(text: str) -> list[str]:
    """The words of a text in lower case, elided ones without their apostrophe."""
    return re.findall(r"[^\W\d_]+", text.lower())


def known_words(written: str, known: str) -> float:
    """Share of the written words that occur in `known`, 0 if there are none."""
    vocabulary, found = set(words(known)), words(written)
    return sum(word in vocabulary for word in found) / max(len(found), 1)


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
    found = words(line)
    merged = sum(_ends_in_vowel(first) and _begins_with_vowel(second) for first, second in pairwise(found))
    return sum(map(_syllables_of_word, found)) - merged


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


def rhyming_tercets(text: str) -> float:
    """Share of tercets whose first and third lines rhyme, counted from the line after each empty one."""
    agreed = total = 0
    for canto in re.split(r"\n\s*\n", text.strip("\n")):
        lines = canto.splitlines()
        for first in range(0, len(lines) - 2, 3):
            total += 1
            agreed += rhyme(lines[first]) == rhyme(lines[first + 2]) != ""
    return agreed / max(total, 1)


def rhyme(line: str) -> str:
    """What rhymes: from the last stressed vowel on (the accented or else the last but one), without accents."""
    last = "".join(words(line)[-1:])
    found = re.search(rf"[àèéìòóù][^{VOWELS}]*$", last) or re.search(
        rf"[{VOWELS}][^{VOWELS}]*[{VOWELS}][^{VOWELS}]*$", last
    )
    sound = found[0] if found else last
    return "".join(letter for letter in unicodedata.normalize("NFD", sound) if not unicodedata.combining(letter))
