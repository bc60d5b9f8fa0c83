"""The category of a frame, from its header, by the rules of the pipeline's own data organizer.

They are those of `gasgano/config/muse.oca`, which comes with the DRS. There a header without a
keyword fits no rule that asks for it; here it may still fit, since many a header has lost some.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

IFU = "IFU"
"""DPR TECH of every frame that a recipe takes."""


@dataclass(frozen=True, slots=True)
class RawRule:
    """What the header of a raw frame says that is of a category."""

    category: str
    catg: tuple[str, ...]
    """One of these is DPR CATG."""
    exact: str = ""
    """DPR TYPE; empty: `words` tell."""
    words: tuple[str, ...] = ()
    """Each is a part of DPR TYPE."""
    tech: str = IFU
    """DPR TECH; empty: any."""
    template: str = ""
    """Regular expression that is found in TPL ID; empty: any."""

    @property
    def type(self) -> str:
        """A DPR TYPE that fits."""
        return self.exact or ",".join(self.words)


CALIB = ("CALIB",)
RULES = (
    RawRule("ACQUISITION", ("ACQUISITION",), tech=""),
    RawRule("TEST", ("TEST",), tech=""),
    RawRule("DETMON_LAMP_OFF", CALIB, words=("BIAS", "DETCHECK")),
    RawRule("DETMON_LAMP_ON", CALIB, words=("FLAT", "LINEARITY", "DETCHAR")),
    RawRule("AMPL", ("TECHNICAL",), words=("FLAT", "LAMP", "THRUPUT")),
    RawRule("BIAS", CALIB, "BIAS"),
    RawRule("DARK", CALIB, "DARK"),
    RawRule("FLAT", CALIB, words=("FLAT", "LAMP"), template="MUSE_[wn]fm_cal_specflat"),
    # muse.oca calls them ILLUMFLAT; ILLUM is what the recipe takes them as.
    RawRule("ILLUM", CALIB, words=("FLAT", "LAMP", "ILLUM"), template="MUSE_[wn]fm_cal_illum"),
    RawRule("SKYFLAT", CALIB, words=("FLAT", "SKY")),
    RawRule("MASK", CALIB, words=("WAVE", "MASK")),
    RawRule("ARC_LSF", CALIB, words=("WAVE", "LSF")),
    RawRule("ARC", CALIB, "WAVE"),
    RawRule("SKY", ("CALIB", "SCIENCE"), "SKY"),
    RawRule("STD", CALIB, "STD"),
    RawRule("ASTROMETRY", CALIB, "ASTROMETRY"),
    RawRule("OBJECT", ("SCIENCE",), "OBJECT"),
)
"""In the order of muse.oca: of those that fit the last counts."""

TELLURIC = "STD,TELLURIC"
"""A star without a spectrum in STD_FLUX_TABLE, which muse_standard cannot take: muse.oca has no
category for it."""

RAW_TYPES: dict[str, str] = {rule.type: rule.category for rule in RULES if rule.type}
"""DPR TYPE → category, as the types are usually written."""

_ASKED = ("DPR CATG", "DPR TYPE", "DPR TECH", "TPL ID")
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Classification:
    """What a frame is."""

    category: str
    """Empty where its header does not tell."""
    reason: str = ""
    """Why it has no category."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """How a header answers a rule."""

    rule: RawRule
    against: tuple[str, ...]
    """Keywords that contradict."""
    missing: tuple[str, ...]
    """Keywords that the header lacks."""
    asked: int
    """Keywords that the rule speaks of."""


def classify(primary: Mapping[str, object]) -> Classification:
    """Category of a frame.

    A keyword that contradicts a rule refuses it; one that the header lacks does not. Of the rules
    with which every keyword agrees the last counts; without such a one, that which asks for the
    most of DPR TYPE, of those that may fit. Where several remain, the frame has no category.

    Parameters
    ----------
    primary : mapping
        Primary header; `ESO PRO CATG` wins, then `ESO DPR CATG`, `ESO DPR TYPE`, `ESO DPR TECH`
        and `ESO TPL ID` tell what a raw frame is.

    Returns
    -------
    Classification

    Examples
    --------
    >>> classify({"ESO DPR TYPE": "FLAT,LAMP,ILLUM"}).category
    'ILLUM'
    >>> classify({"ESO DPR CATG": "SCIENCE"}).reason
    'without DPR TYPE it may be SKY or OBJECT'
    """
    product = _text(primary, "ESO PRO CATG")
    if product:
        return Classification(product)
    return _classified(*(_text(primary, f"ESO {name}") for name in _ASKED))


@cache
def _classified(*texts: str) -> Classification:
    """The same by the texts of four keywords: very many frames have the same ones."""
    words = dict(zip(_ASKED, texts, strict=True))
    words |= {name: words[name].upper() for name in _ASKED if name != "TPL ID"}
    fits = [_fit(rule, words) for rule in RULES]
    agreeing = [fit for fit in fits if not fit.against and not fit.missing]
    if agreeing:
        return Classification(agreeing[-1].rule.category)
    # Something must speak for it.
    possible = [fit for fit in fits if not fit.against and len(fit.missing) < fit.asked]
    left = [fit for fit in possible if not _outdone(fit, possible)]
    rules = [fit.rule for fit in left]
    told = " and ".join(name for name in words if not words[name] and _tells(name, rules))
    if left and not told:
        # Nothing that is missing tells them apart.
        return Classification(rules[-1].category)
    if left:
        named = _listed([rule.category for rule in rules])
        return Classification("", f"without {told} it may be {named}")
    return Classification("", _refusal(fits, words))


def categories_of_type(text: str) -> tuple[str, ...]:
    """Categories that raw frames of a DPR TYPE may be of, whatever else their headers say.

    Examples
    --------
    >>> categories_of_type("FLAT,LAMP,ILLUM")
    ('FLAT', 'ILLUM')
    """
    wanted = text.strip().upper()
    return tuple(rule.category for rule in RULES if rule.type and _is_type(rule, wanted))


def category_of(name: str) -> str:
    """Category that a name stands for: a DPR TYPE, or a category itself."""
    return classify({"ESO DPR TYPE": name}).category or name


def _text(primary: Mapping[str, object], keyword: str) -> str:
    value = primary.get(keyword)
    return "" if value is None else str(value).strip()


def _is_type(rule: RawRule, text: str) -> bool:
    return text == rule.exact if rule.exact else all(word in text for word in rule.words)


def _fit(rule: RawRule, words: Mapping[str, str]) -> _Fit:
    asked = {"DPR CATG": words["DPR CATG"] in rule.catg}
    if rule.type:
        asked["DPR TYPE"] = _is_type(rule, words["DPR TYPE"])
    if rule.tech:
        asked["DPR TECH"] = words["DPR TECH"] == rule.tech
    if rule.template:
        found = re.search(rule.template, words["TPL ID"], re.IGNORECASE)
        asked["TPL ID"] = found is not None
    missing = tuple(name for name in asked if not words[name])
    against = tuple(name for name, agrees in asked.items() if words[name] and not agrees)
    return _Fit(rule, against, missing, len(asked))


def _outdone(fit: _Fit, others: Iterable[_Fit]) -> bool:
    """Whether another rule of the same DPR CATG asks for more words of a DPR TYPE that is there."""
    return "DPR TYPE" not in fit.missing and any(
        fit.rule.catg == other.rule.catg and set(fit.rule.words) < set(other.rule.words)
        for other in others
    )


def _tells(keyword: str, rules: Iterable[RawRule]) -> bool:
    """Whether rules differ in what they ask of a keyword."""
    asked = {
        "DPR CATG": lambda rule: rule.catg,
        "DPR TYPE": lambda rule: rule.type,
        "DPR TECH": lambda rule: rule.tech,
        "TPL ID": lambda rule: rule.template,
    }[keyword]
    return len(set(map(asked, rules))) > 1


def _refusal(fits: Sequence[_Fit], words: Mapping[str, str]) -> str:
    """Why no rule fits: of the last rule of this DPR TYPE, what speaks against it."""
    kind = words["DPR TYPE"]
    of_type = [fit for fit in fits if fit.rule.type and kind and "DPR TYPE" not in fit.against]
    if of_type:
        fit = min(reversed(of_type), key=lambda fit: (len(fit.against), -len(fit.rule.words)))
        told = ", ".join(f"{name} is {words[name]}" for name in fit.against)
        return f"it is no {fit.rule.category}: {told}"
    if kind == TELLURIC:
        return f"DPR TYPE {kind} is of no category of the pipeline"
    if kind:
        return f"DPR TYPE {kind} is not known"
    told = ", ".join(f"{name} {text}" for name, text in words.items() if text)
    return f"DPR TYPE (none) is not known{', with ' + told if told else ''}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > _MOST_NAMED:
        return f"any of {len(names)} categories"
    return f"{', '.join(names[:-1])} or {names[-1]}"
