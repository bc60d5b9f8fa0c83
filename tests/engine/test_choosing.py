"""Selections on what the build itself measures: members are chosen when candidates are made."""

from __future__ import annotations

from typing import Any

import pytest

from musebuild.index.selection import fulfilling
from musebuild.plan.model import Candidate, Choosing, Clause
from musebuild.plan.selecting import members
from tests.support.frames import write_raw
from tests.support.projects import MockProject

NAMES = [f"2017-06-16T01:3{n}:56.867" for n in (4, 6, 8)]
DARK = "muse_exp_combine:FIELD_dark"


def sky(project: MockProject, *values: float) -> None:
    """Give the spectra of the sky of the exposures these fluxes."""
    project.unrule()
    for name, value in zip(NAMES, values, strict=True):
        flux = {"lambda": [5000.0, 7000.0, 9000.0], "data": [1.0, value, 2.0]}
        tables = {"SKY_SPECTRUM": flux}
        project.rule(recipe="muse_scipost", label=name, tables=tables, constant=True, salt=name)


def select(project: MockProject, condition: Any) -> None:
    """One combination, named dark."""
    block = project.settings["recipes"]["muse_exp_combine"]
    block["names_with_selection"] = {"dark": {"qa_reduced": condition}}
    project.write()


@pytest.fixture
def three(project: MockProject) -> MockProject:
    write_raw(project.folder / "raw", "OBJECT", NAMES[2], tpl="2017-06-16T01:34:08", target="FIELD")
    # No alignment, and one IFU: all that matters here comes after.
    save = {"save": "cube,skymodel,individual", "skymethod": "model"}
    project.settings["recipes"] = {"muse_scipost": {"params": save}, "muse_exp_combine": {}}
    project.settings["ifus"] = [1]
    sky(project, 10, 20, 30)
    select(project, "skyV < 25")
    return project


def combined(project: MockProject) -> int:
    """How many exposures the last combination took."""
    run = [run for run in project.journal if run["recipe"] == "muse_exp_combine"][-1]
    return sum(text.startswith("PIXTABLE_REDUCED:") for text in run["inputs"])


def test_members_are_chosen_when_all_candidates_are_made(three: MockProject) -> None:
    waits = three.ask("why", DARK).out
    assert "then the selection dark chooses among 3 exposures" in " ".join(waits.split())
    three.make()
    assert combined(three) == 2
    told = " ".join(three.ask("info", DARK).out.split())
    assert f"{NAMES[2]} is left out: not selected by the selection dark (skyV is 30)" in told
    assert f"muse_scipost:{NAMES[2]} [not chosen]" in told
    assert f"muse_scipost:{NAMES[1]} [not chosen]" not in told
    before = len(three.journal)
    # Neither another condition nor another value matters, as long as the members are the same.
    select(three, "skyV < 26 AND skyR = 2")
    assert "up to date" in three.make().out
    sky(three, 10, 21, 40)
    three.params("muse_scipost", skymodel_fraction=0.2)
    three.make()
    assert three.ran_since(before) == {"muse_scipost": 3}
    assert "skyV is 40" in three.ask("info", DARK).out
    # They do where a member comes or goes.
    select(three, {"skyV": [10, 21, 40]})
    before = len(three.journal)
    three.make()
    assert three.ran_since(before) == {"muse_exp_combine": 1}
    assert combined(three) == 3
    select(three, "skyV < 26")
    before = len(three.journal)
    assert "1 restored" in three.make().out
    assert not three.ran_since(before)
    # The minimum holds, and nothing is written of a combination that lacks exposures.
    select(three, "skyV < 15")
    ran = three.ask("run", "-c")
    assert ran.status == 0, "left out, as by a selection that is known before anything runs"
    assert "the selection dark takes 1 of 3 exposures, and it needs at least 2" in " ".join(
        ran.text.split()
    )
    assert "Traceback" not in ran.text
    assert not three.ran_since(before)
    listed = " ".join(three.ask("why", DARK).out.split())
    assert "left out: the selection dark takes 1 of 3 exposures" in listed
    assert "left out" in three.ask("list", "--status", DARK).out


def test_an_alignment_that_is_left_with_one_exposure_is_left_out(three: MockProject) -> None:
    recipes = three.settings["recipes"]
    save = recipes["muse_scipost"]["params"]
    few = {"select": {"qa_reduced": "skyV < 15"}}
    recipes["muse_scipost_rec"] = {"params": save}
    recipes["muse_exp_align"] = {"from_recipe": "muse_scipost_rec", **few}
    recipes["muse_scipost"] = {"params": save, "frames": {"OFFSET_LIST": "OFFSET_LIST_drs"}}
    recipes["muse_exp_combine"] = few
    three.write()
    one = f"muse_scipost:{NAMES[0]}"
    ran = three.ask("run", one)
    assert ran.status == 0, ran.text
    assert "muse_exp_align:FIELD_drs: select takes 1 of 3 exposures" in ran.out
    # The only exposure does without, as where it is known before; nothing is known of the others.
    assert not any("OFFSET_LIST" in text for text in three.journal[-1]["inputs"])
    assert "up to date" in three.ask("run", one).out
    assert three.ask("lock", one).status == 0
    other = three.ask("run", f"muse_scipost:{NAMES[1]}")
    assert other.status == 1
    assert "left out: muse_exp_align:FIELD_drs: select takes 1 of 3" in other.out


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("skyX < 1", "the table qa_reduced has no column skyX; did you mean skyV"),
        ("FSF_FWHM_R < 0.7", "measured on FSF, which nothing makes of"),
        ("1 +", "this is no SQL condition"),
    ],
)
def test_what_cannot_be_measured_is_told_before_anything_runs(
    three: MockProject, condition: str, told: str
) -> None:
    select(three, condition)
    ran = three.ask("list", "--status")
    assert told in " ".join(ran.text.split())
    assert "Traceback" not in ran.text


def graded(project: MockProject, *values: float | None) -> None:
    """Give what muse_scipost makes of the exposures these quality parameters."""
    project.unrule()
    for name, value in zip(NAMES, values, strict=True):
        cards = {} if value is None else {"HIERARCH ESO QC SCIPOST NDET": value}
        project.rule(recipe="muse_scipost", label=name, cards=cards)


def ask_for(project: MockProject, **tables: Any) -> str:
    """Combine what the tables select; what is told."""
    block = project.settings["recipes"]["muse_exp_combine"]
    block["names_with_selection"] = {"dark": tables}
    project.write()
    ran = project.ask("run", "-c")
    assert "Traceback" not in ran.text
    return " ".join(f"{ran.text} {project.ask('info', DARK).text}".split())


def test_parameters_of_products_choose_once_all_are_made(three: MockProject) -> None:
    graded(three, 10, 20, 30)
    told = ask_for(three, qc_PIXTABLE_REDUCED="qc_scipost_ndet < 25")
    assert combined(three) == 2
    assert "not selected by the selection dark (QC_SCIPOST_NDET is 30)" in told.replace(
        "qc_scipost_ndet", "QC_SCIPOST_NDET"
    )
    before = len(three.journal)
    # The values are not in the key: others that choose the same change nothing.
    told = ask_for(three, qc_IMAGE_FOV={"QC_SCIPOST_NDET": [10, 20]})
    assert "up to date" in told
    assert not three.ran_since(before)
    # Several tables that are filled later are joined by *or*, as others are.
    told = ask_for(
        three,
        qc_IMAGE_FOV="QC_SCIPOST_NDET = 10",
        qc_DATACUBE_FINAL="QC_SCIPOST_NDET = 20",
        raw={"name": NAMES[2]},
    )
    assert combined(three) == 3
    # One that lacks the value fulfils nothing; a parameter that none has is a mistake.
    graded(three, 10, 20, None)
    three.params("muse_scipost", skymodel_fraction=0.2)
    told = ask_for(three, qc_IMAGE_FOV="QC_SCIPOST_NDET < 25")
    assert "(it has no QC_SCIPOST_NDET)" in told
    told = ask_for(three, qc_IMAGE_FOV="QC_SCIPOST_NDETS < 25")
    assert "no column QC_SCIPOST_NDETS; did you mean QC_SCIPOST_NDET" in told
    told = ask_for(three, qc_MASTER_BIAS="QC_A < 25")
    assert "measured on MASTER_BIAS, which nothing makes of" in told


def test_what_was_made_chooses_as_musereds_table_of_it_does(three: MockProject) -> None:
    three.rule(recipe="muse_scipost", label=NAMES[2], warnings=["the sky is odd"])
    told = ask_for(three, reduced="recipe_name = 'muse_scipost' AND nbwarn = 0 AND EXPTIME > 1")
    assert combined(three) == 2
    assert f"{NAMES[2]} is left out: not selected by the selection dark" in told
    assert "nbwarn is 0 to 1" in told, "of scibasic, and of scipost"
    ask_for(three, reduced={"recipe_name": "muse_scibasic", "DPR_TYPE": "PIXTABLE_OBJECT"})
    assert combined(three) == 3
    told = ask_for(three, reduced={"OBJECT": "FIELD", "recipe_name": "muse_scipost_rec"})
    assert "takes 0 of 3 exposures" in told


# the decision alone


def choosing(least: int = 2, most: int | None = None, **sure: Any) -> Choosing:
    candidates = tuple(Candidate(name, name, (f"s:{name}",), ()) for name in "abc")
    conditions = sure.pop("conditions", ())
    clauses = (Clause("select", frozenset(sure.get("sure", "")), conditions),)
    return Choosing(candidates, clauses, "select", least, most)


def test_tables_are_joined_by_or_and_the_earliest_are_taken() -> None:
    found = members(choosing(sure="c"), [frozenset("a")], {})
    assert found.dropped == {"s:b"}
    assert found.notes == ("b is left out: not selected by select",)
    found = members(choosing(most=2), [frozenset("abc")], {})
    assert found.dropped == {"s:c"}
    assert found.notes == ("c is left out: max_exps is 2",)
    assert not found.problem


def test_too_few_are_a_problem() -> None:
    found = members(choosing(least=3), [frozenset("ab")], {})
    assert found.few.startswith("select takes 2 of 3 exposures, and it needs at least 3")


def test_a_missing_value_fulfils_nothing_and_is_told() -> None:
    from musebuild.index.model import Condition

    condition = Condition("qa_reduced", "skyB < ?", (5,), ("skyB",), ("SKY_SPECTRUM",))
    values = {"a": {"skyB": 1.5}, "b": {"skyB": 7.25}, "c": {"skyB": None}}
    held = fulfilling(condition, {name: [row] for name, row in values.items()})
    assert held == {"a"}
    found = members(choosing(1, conditions=(condition,)), [held], values)
    assert found.notes == (
        "b is left out: not selected by select (skyB is 7.25)",
        "c is left out: not selected by select (it has no skyB)",
    )


def test_a_lock_pins_the_members_that_were_chosen(three: MockProject) -> None:
    three.make()
    assert three.ask("lock", DARK).status == 0
    ran = three.ask("reproduce", "--into", "again")
    assert ran.status == 0, ran.text
    assert "reproduced" in ran.out
