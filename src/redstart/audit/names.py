"""What the names of files, folders and columns say about which rows belong together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Names", "Tie", "column_says", "moments_in_names", "numbered", "ties_in_names"]

_LABEL: Final = "\0"
_BREAK: Final = re.compile(r"[^0-9A-Za-z\u0080-\uffff\0]+")
_PART: Final = re.compile(
    r"(train|training|val|valid|validation|test|testing|dev|eval|holdout)[\W_]*\d*", re.IGNORECASE
)
_LETTERS: Final = re.compile(r"[^\W\d_]{2,}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PEOPLE: Final = _words(
    "patient subject subj person people speaker spk user customer client household family member "
    "participant student employee author writer donor owner passenger visitor rider driver pupil "
    "respondent"
)
_SCENES: Final = _words(
    "scene session video vid clip sequence seq recording rec scan study series visit trip burst "
    "group grp case encounter admission episode account"
)
_PLACES: Final = _words(
    "site store shop hospital school clinic company device machine sensor station vehicle camera "
    "cam room plot field plant tree house building product item batch cluster film movie"
)
_IDS: Final = _words("id ids uid uuid guid identifier")
_QUANTITIES: Final = _words(
    "size count counts num n nb of total age rate score type kind level class status category role "
    "segment since days years months time date price value amount income share pct percent mean "
    "avg max min gender sex zip postcode postal city town country state region county length "
    "width height weight timestamp stamp day month year week hour"
)
_Kind = Literal["people", "scenes", "places"]
_KINDS: Final[tuple[tuple[_Kind, frozenset[str]], ...]] = (
    ("people", _PEOPLE),
    ("scenes", _SCENES),
    ("places", _PLACES),
)


@final
@dataclass(frozen=True, slots=True)
class Tie:
    """Something that may tie rows to one another.

    Attributes:
        what: What it is called in a sentence: ``"part 1 of the file name"``.
        groups: The group of each row, ``(N,)`` object; ``None`` for a row without one.
        code: Python that makes the group of a file ``f`` or names the column; may be empty.
        told: Whether a word says that it ties rows (``patient012``), or letters at least
            make it a name (``"letters"``), or nothing does.
    """

    what: str
    groups: NDArray[Any]
    code: str
    told: Literal["word", "letters", "nothing"]


@final
@dataclass(frozen=True, slots=True)
class Names:
    """The names of files, taken apart.

    Attributes:
        folders: Of each file, the folders between root and file.
        stems: Of each file, its name without ending; the class is cut out of it.
        plain: Whether no stem had a class cut out.
    """

    folders: list[tuple[str, ...]]
    stems: list[str]
    plain: bool

    @classmethod
    def of(cls, files: Sequence[Path], root: Path, labels: Sequence[str | None] = ()) -> Names:
        """Take names apart.

        Args:
            files: The files.
            root: The folder that they are below.
            labels: The class of each file; it is cut out of the name. Where it is ``None``,
                any class is.
        """
        folders = [_below(file, root) for file in files]
        stems = [re.sub(r"\s*\(\d+\)$", "", file.stem) for file in files]
        known = {label: _spelt(label) for label in set(labels) if label}
        longest = sorted(known, key=len, reverse=True)
        other = re.compile("|".join(known[k].pattern for k in longest) or "$^", re.IGNORECASE)
        cut, named, times = list(stems), 0, 0
        for row, label in enumerate(labels):
            pattern = known[label] if label else other
            cut[row], found = pattern.subn(f"_{_LABEL}_", stems[row], count=1)
            if label:
                named, times = named + 1, times + found
        if not named or times < 0.9 * named:  # met by chance: names do not say the class
            return cls(folders, stems, plain=True)
        return cls(folders, cut, plain=False)


def ties_in_names(names: Names, alike: Callable[[NDArray[Any]], bool]) -> list[Tie]:
    """List what names may tie rows by, most telling first, no two the same.

    Args:
        names: Of the files.
        alike: Says whether a part of the name, ``(N,)``, is only another way to write the
            label or the part of the split; such parts are left out.
    """
    tokens = [_tokens(stem) for stem in names.stems]
    found = [*_by_folder(names, alike), *_by_word(names)]
    usual = Counter(map(len, tokens)).most_common(1)[0][0] if tokens else 0
    found.append(_all_but_last(names, tokens))
    found += _by_place(names, tokens, usual, alike)
    unique: dict[bytes, Tie] = {}
    for tie in found:
        if not alike(tie.groups):
            unique.setdefault(_partition(tie.groups), tie)
    return list(unique.values())


def numbered(names: Names, skip: Callable[[NDArray[Any]], bool]) -> tuple[list[str], NDArray[Any]]:
    """Tell series of numbered files: ``clip7_0012`` is number 12 of ``clip7``.

    Args:
        names: Of the files.
        skip: Says whether a level of folders, ``(N,)``, is the label or the part.

    Returns:
        The series of each file, and its number in it, float64, NaN where there is none.
    """
    matches = [re.fullmatch(r"(.*?)[-_. ]*([A-Za-z]*)(\d{1,12})", stem) for stem in names.stems]
    numbers = np.array([float(m[3]) if m else np.nan for m in matches], dtype=np.float64)
    # A tail of a hash such as 7e5bb0b5 looks like a word with a number, but is no counter.
    texts = [f"{m[1]}_{m[2]}" if m else "" for m in matches]
    broken = [bool(m and m[1][-1:].isdigit() and m[2]) for m in matches]
    numbers[np.array(broken, dtype=bool)] = np.nan
    levels = [level for level in _levels(names.folders) if not skip(level)]
    series = ["/".join([*(str(level[i]) for level in levels), t]) for i, t in enumerate(texts)]
    unique = len(set(zip(series, numbers.tolist(), strict=True)))
    if unique < 0.99 * len(series):  # numbers start again in every folder
        series = [f"{'/'.join(f)}/{t}" for f, t in zip(names.folders, texts, strict=True)]
    return series, numbers


def moments_in_names(names: Names) -> tuple[NDArray[Any], str]:
    """Read dates that are in file names, such as ``IMG_20200131_120001`` or ``2020-01-31``.

    Returns:
        ``(N,)`` datetime64[s], NaT where there is none; and Python that makes the day, or
        the moment, of a file ``f``, for ``TimeSplitter``.
    """
    day = r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    clock = r"(?:[-_. T]?([01]\d|2[0-3])[-_.:]?([0-5]\d)[-_.:]?([0-5]\d))?(?!\d{1,2}(?!\d))"
    pattern = re.compile(day + clock)
    found = np.full(len(names.stems), np.datetime64("NaT", "s"), dtype="datetime64[s]")
    dashed = 0
    for row, stem in enumerate(names.stems):
        match = pattern.search(stem)
        if match is None:
            continue
        year, separator, month, date, hour, minute, second = match.groups()
        text = f"{year}-{month}-{date}T{hour or '00'}:{minute or '00'}:{second or '00'}"
        try:
            found[row] = np.datetime64(text, "s")
        except ValueError:  # the 31st of June
            continue
        dashed += bool(separator)
    if dashed:
        return found, r're.sub(r"\D", "", re.search(r"\d{4}\D?\d\d\D?\d\d", f.name)[0])'
    return found, r're.search(r"(19|20)\d{6}", f.name)[0]'


def column_says(name: str) -> Literal["people", "scenes", "places", "quantity", "nothing"]:
    """What the name of a column says: whom or what its values tell apart.

    ``"quantity"`` is for names of things that are measured or sorted by (``family_size``,
    ``zip``): rows that share them are not of one person or scene.
    """
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    words = [word.lower() for word in re.findall(r"[A-Za-z]+", spaced)]
    split = [part for word in words for part in _split_id(word)]
    if any(word in _QUANTITIES for word in split):
        return "quantity"
    for kind, known in _KINDS:
        if any(word in known for word in split):
            return kind
    return "places" if split and split[-1] in _IDS else "nothing"


def _split_id(word: str) -> list[str]:
    """``patientid`` is two words."""
    for end in ("id", "no", "nr", "key"):
        start = word.removesuffix(end)
        if start != word and any(start in known for _, known in _KINDS):
            return [start, end]
    return [word]


def _below(file: Path, root: Path) -> tuple[str, ...]:
    try:
        return file.relative_to(root).parts[:-1]
    except ValueError:
        return file.parts[:-1]


def _spelt(label: str) -> re.Pattern[str]:
    """However a class may be spelt in a name: ``German Shepherd`` as ``german_shepherd``."""
    words = [re.escape(word) for word in re.split(r"[\W_]+", label) if word]
    middle = r"[\W_]*".join(words) or re.escape(label)
    first, last = (r"(?<!\d)", r"(?!\d)") if label.isdigit() else (r"(?<![^\W_])", r"(?![^\W\d_])")
    return re.compile(first + middle + last, re.IGNORECASE)


def _tokens(stem: str) -> list[str]:
    return [token for token in _BREAK.split(stem) if token]


def _texts(values: Sequence[str | None]) -> NDArray[Any]:
    found = np.empty(len(values), dtype=object)
    found[:] = [value or None for value in values]
    return found


def _levels(folders: Sequence[tuple[str, ...]]) -> list[NDArray[Any]]:
    depth = max(map(len, folders), default=0)
    return [_texts([f[d] if d < len(f) else None for f in folders]) for d in range(depth)]


def _by_folder(names: Names, alike: Callable[[NDArray[Any]], bool]) -> list[Tie]:
    found: list[Tie] = []
    levels = _levels(names.folders)
    same_depth = len(set(map(len, names.folders))) == 1
    above: list[NDArray[Any]] = []
    for depth, level in enumerate(levels):
        if alike(level) or all(_PART.fullmatch(v) for v in set(level.tolist()) - {None}):
            continue
        above.append(level)
        groups = _texts(
            ["/".join(filter(None, parts)) for parts in zip(*above, strict=True)]
            if len(above) > 1
            else level.tolist()
        )
        shards = all(len(v) <= 2 or v.isdigit() for v in set(level.tolist()) - {None})
        code = f"f.parts[-{len(levels) - depth + 1}]" if same_depth and len(above) == 1 else ""
        found.append(Tie("the folder", groups, code, "nothing" if shards else "word"))
    return found


def _by_word(names: Names) -> list[Tie]:
    """``patient012`` anywhere in the name; of ``session2``, all that stands before it too."""
    found = []
    for kind, known in _KINDS:
        words = "|".join(sorted(known, key=len, reverse=True))
        pattern = re.compile(
            rf"(?:^|(?<=[^a-z]))(?:{words})[-_. ]?(?:[a-z]{{1,2}}[-_. ]?)?\d+", re.IGNORECASE
        )
        matches = [pattern.search(stem) for stem in names.stems]
        if sum(match is not None for match in matches) <= 0.5 * len(matches):
            continue
        whole = kind != "people"
        groups = _texts([m and m.string[: m.end()] if whole else m and m[0] for m in matches])
        word = re.match(r"[^\W\d_]+", next(m[0] for m in matches if m))
        what = f"the file name up to its {word[0]!r}" if whole and word else "the file name"
        if not whole and word:
            what = f"{word[0]!r} in the file name"
        found.append(Tie(what, groups, "", "word"))
    return found


def _all_but_last(names: Names, tokens: Sequence[list[str]]) -> Tie:
    """``Ada_Lovelace_03`` without the ``03``; ``clipA12`` without the ``12``."""
    texts: list[str | None] = []
    for parts in tokens:
        if len(parts) > 1:
            texts.append("_".join(part for part in parts[:-1] if part != _LABEL))
        else:
            found = re.fullmatch(r"(.*[^\W\d_])\d+", parts[0]) if parts else None
            texts.append(found[1] if found else None)
    separator = _separator(names)
    code = f'f.stem.rsplit("{separator}", 1)[0]' if separator else ""
    code = (code or r're.sub(r"[\W_]+[^\W_]+$", "", f.stem)') if names.plain else ""
    return Tie("the file name without its last part", _texts(texts), code, _told(texts))


def _by_place(
    names: Names,
    tokens: Sequence[list[str]],
    usual: int,
    alike: Callable[[NDArray[Any]], bool],
) -> list[Tie]:
    """The first part, the first two, ...; and single parts that are words."""
    separator = _separator(names) if names.plain else ""
    regular = [parts if len(parts) == usual else None for parts in tokens]
    columns = [_texts([parts[k] if parts else None for parts in regular]) for k in range(usual)]
    telling = [k for k in range(usual) if len(set(columns[k].tolist()) - {None}) > 1]
    telling = [k for k in telling if not alike(columns[k])]
    found: list[Tie] = []
    for last in telling[:-1][:3]:
        used = [k for k in telling if k <= last]
        texts = [
            "_".join(parts[k] for k in used) if len(parts) > last + 1 else None for parts in tokens
        ]
        what = f"part {used[0] + 1} of the file name"
        code = f'f.stem.split("{separator}")[{last}]' if separator else ""
        if len(used) > 1:
            what = f"parts {used[0] + 1} to {used[-1] + 1} of the file name"
            code = f'f.stem.split("{separator}")[{used[0]}:{last + 1}]' if separator else ""
            code = f"tuple({code})" if code else ""
        found.append(Tie(what, _texts(texts), code, _told(texts)))
    for k in telling[1:-1]:
        if _told(columns[k].tolist()) == "letters":
            code = f'f.stem.split("{separator}")[{k}]' if separator else ""
            found.append(Tie(f"part {k + 1} of the file name", columns[k], code, "letters"))
    return found


def _told(texts: Sequence[str | None]) -> Literal["letters", "nothing"]:
    """Whether most groups have a word of letters, which a hash hardly ever has."""
    known = [text for text in set(texts) if text]
    lettered = sum(bool(_LETTERS.search(t)) and not _hash(t) for t in known)
    return "letters" if known and lettered > 0.8 * len(known) else "nothing"


def _hash(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-f]{6,}|[0-9A-F]{6,}", text)) and any(c.isdigit() for c in text)


def _separator(names: Names) -> str:
    """The one character that separates the parts of all names, if it is one."""
    found = {c for stem in names.stems for c in _BREAK.findall(stem)}
    return found.pop() if len(found) == 1 and all(len(c) == 1 for c in found) else ""


def _partition(groups: NDArray[Any]) -> bytes:
    """The same for two ways of naming the same groups."""
    numbers: dict[Any, int] = {None: -1}
    codes = [numbers.setdefault(value, len(numbers)) for value in groups.tolist()]
    return np.array(codes, dtype=np.int64).tobytes()
