"""Categories of frames, as the pipeline's own rules have them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from musebuild.fits.classify import (
    RULES,
    RawRule,
    categories_of_type,
    category_of,
    classify,
)

Header = dict[str, object]


def fitting(rule: RawRule) -> Header:
    """A header with which a rule agrees."""
    header: Header = {"ESO DPR CATG": rule.catg[0]}
    if rule.type:
        header["ESO DPR TYPE"] = rule.type
    if rule.tech:
        header["ESO DPR TECH"] = rule.tech
    if rule.template:
        header["ESO TPL ID"] = rule.template.replace("[wn]", "n")
    return header


def of(category: str) -> RawRule:
    return next(rule for rule in RULES if rule.category == category)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.category)
def test_a_frame_for_each_rule(rule: RawRule) -> None:
    for catg in rule.catg:
        assert classify(fitting(rule) | {"ESO DPR CATG": catg}).category == rule.category


@pytest.mark.parametrize(
    ("rule", "keyword"),
    [(rule, keyword) for rule in RULES for keyword in fitting(rule)],
    ids=lambda one: one.category if isinstance(one, RawRule) else one,
)
def test_a_frame_against_each_keyword_of_each_rule(rule: RawRule, keyword: str) -> None:
    found = classify(fitting(rule) | {keyword: "OTHER"})
    assert found.category == ""
    if rule.type and keyword != "ESO DPR TYPE":
        name = keyword.removeprefix("ESO ")
        assert found.reason == f"it is no {rule.category}: {name} is OTHER"
    else:
        assert "OTHER" in found.reason


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.category)
def test_what_is_lacking_refuses_nothing(rule: RawRule) -> None:
    header = fitting(rule)
    for keyword in header:
        if len(header) > 1 and keyword != "ESO DPR TYPE":
            less = {name: value for name, value in header.items() if name != keyword}
            # Without DPR CATG it may be a lamp flat as well.
            wanted = "" if (rule.category, keyword) == ("AMPL", "ESO DPR CATG") else rule.category
            assert classify(less).category == wanted
            assert classify(less | {keyword: " "}).category == wanted


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"ESO DPR CATG": "SCIENCE", "ESO DPR TECH": "IFU"}, "without DPR TYPE it may be SKY or"),
        ({"ESO DPR TYPE": "FLAT,LAMP,THRUPUT"}, "without DPR CATG and TPL ID it may be AMPL or FL"),
        ({"ESO DPR CATG": "CALIB"}, "it may be any of 13 categories"),
        ({"ESO DPR TYPE": "FOCUS"}, "DPR TYPE FOCUS is not known"),
        ({"ESO DPR TYPE": "STD,TELLURIC", "ESO DPR CATG": "CALIB"}, "of no category of the pipe"),
        ({"OBJECT": "BIAS"}, "DPR TYPE (none) is not known"),
    ],
)
def test_what_a_header_does_not_tell_is_told(header: Header, reason: str) -> None:
    found = classify(header)
    assert found.category == ""
    assert reason in found.reason


@pytest.mark.parametrize(
    ("changed", "category"),
    [
        # A pointing image of the field, and what engineers take.
        ({"ESO DPR CATG": "ACQUISITION", "ESO DPR TECH": "IMAGE"}, "ACQUISITION"),
        ({"ESO DPR CATG": "TEST"}, "TEST"),
        ({"ESO DPR TECH": "IMAGE"}, ""),
        ({"ESO DPR TYPE": "OBJECT,AO"}, ""),
    ],
)
def test_what_is_no_science(changed: Header, category: str) -> None:
    assert classify(fitting(of("OBJECT")) | changed).category == category


@pytest.mark.parametrize("template", ["MUSE_gen_tec_flatmonitor", "MUSE_wfm_cal_flat"])
def test_lamp_flats_of_other_templates_are_no_flats(template: str) -> None:
    found = classify(fitting(of("FLAT")) | {"ESO TPL ID": template})
    assert (found.category, found.reason) == ("", f"it is no FLAT: TPL ID is {template}")


def test_of_the_rules_that_fit_the_last_counts() -> None:
    both = fitting(of("FLAT")) | {"ESO DPR TYPE": "FLAT,LAMP,LINEARITY,DETCHAR"}
    assert classify(both).category == "FLAT"
    assert classify(both | {"ESO TPL ID": "MUSE_gen_cal_detmon"}).category == "DETMON_LAMP_ON"


def test_an_illumination_flat_is_no_flat() -> None:
    assert classify({"ESO DPR TYPE": "FLAT,LAMP"}).category == "FLAT"
    assert classify({"ESO DPR TYPE": "FLAT,LAMP,ILLUM"}).category == "ILLUM"
    assert classify({"ESO DPR TYPE": "FLAT,SKY"}).category == "SKYFLAT"


def test_a_product_keeps_its_category_whatever_it_was_made_of() -> None:
    made = {"ESO PRO CATG": "MASTER_BIAS ", "ESO DPR TYPE": "BIAS", "ESO DPR CATG": "TEST"}
    assert classify(made).category == "MASTER_BIAS"


def test_case_and_blanks_do_not_count() -> None:
    assert classify({"ESO DPR TYPE": " wave ", "ESO DPR CATG": "Calib "}).category == "ARC"


def test_names_of_types_and_categories() -> None:
    assert categories_of_type("LAMP,FLAT,ILLUM") == ("FLAT", "ILLUM")
    assert categories_of_type("FOCUS") == ()
    assert [category_of(name) for name in ("flat,sky", "MASTER_BIAS")] == ["SKYFLAT", "MASTER_BIAS"]


# The pipeline's own file, where it is installed.

_RULE = re.compile(r"\bif\s+(.*?)\bthen\s*\{(.*?)\}", re.DOTALL)
_CONDITION = re.compile(r"(PRO\.CATG|DPR\.\w+|TPL\.ID)\s*(==|like|regexp)\s*\"([^\"]*)\"")


def rules_of_the_pipeline(path: Path) -> Iterator[RawRule]:
    """Raw categories of muse.oca; its associations and actions are not read."""
    text = re.sub(r"//.*", "", path.read_text(encoding="utf-8", errors="replace"))
    for asked, done in _RULE.findall(text):
        category = re.search(r"DO\.CATG\s*=\s*\"(\w+)\"", done)
        conditions = _CONDITION.findall(asked)
        if category is None or any(keyword == "PRO.CATG" for keyword, _, _ in conditions):
            continue

        def values(keyword: str, operator: str, found: object = conditions) -> tuple[str, ...]:
            assert isinstance(found, list)
            return tuple(v.strip("%") for k, o, v in found if (k, o) == (keyword, operator))

        yield RawRule(
            {"ILLUMFLAT": "ILLUM"}.get(category[1], category[1]),
            values("DPR.CATG", "=="),
            "".join(values("DPR.TYPE", "==")),
            values("DPR.TYPE", "like"),
            "".join(values("DPR.TECH", "==")),
            "".join(values("TPL.ID", "regexp")),
        )


def test_the_rules_are_those_of_the_pipeline() -> None:
    found = sorted(Path("/usr/share/cpl-plugins").glob("muse-*/gasgano/config/muse.oca"))
    if not found:
        pytest.skip("the pipeline's data organizer is not installed")

    def plain(rule: RawRule) -> tuple[object, ...]:
        return (
            rule.category,
            rule.catg,
            rule.exact,
            frozenset(rule.words),
            rule.tech,
            rule.template,
        )

    assert [plain(rule) for rule in RULES] == [plain(r) for r in rules_of_the_pipeline(found[-1])]


def test_where_nothing_lacking_tells_rules_apart_the_last_counts() -> None:
    assert classify({"ESO DPR TYPE": "WAVE,LSF,MASK"}).category == "ARC_LSF"
