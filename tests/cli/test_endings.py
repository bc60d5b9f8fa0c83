"""The end of a build: what people came for, and what went wrong in the pipeline's own words."""

from __future__ import annotations

import pytest

from musebuild.recipes.logs import returned
from tests.support.projects import MockProject

EXPOSURE = "2017-06-16T01:36:56.867"


@pytest.mark.parametrize(
    ("errors", "said", "told"),
    [
        (
            ["muse_exp_align: Too few sources left after filtering.", "esorex: Execution failed"],
            "",
            "Too few sources left after filtering (the recipe returned -1)",
        ),
        ([], "Data not found", "Data not found (the recipe returned -1)"),
        (["esorex: Execution failed"], "", "the recipe returned -1 without a message"),
    ],
)
def test_a_failure_has_the_own_sentence_of_the_pipeline(
    errors: list[str], said: str, told: str
) -> None:
    assert returned(-1, errors, said) == told


def test_a_build_ends_with_its_cube(project: MockProject) -> None:
    ran = project.build()
    end = ran.out.splitlines()[-1]
    assert end == (
        "Cube: reduced/0.1/exp_combine/FIELD_drs/DATACUBE_FINAL.fits (2 exposures, 1200 s)"
    )
    assert "Cube:" not in project.build().out

    # Each exposure's own cube, where it is not combined; restored ones, too.
    (project.reduced / "scipost" / EXPOSURE / "DATACUBE_FINAL.fits").unlink()
    assert project.build().out.splitlines()[-1] == (
        f"Cube: reduced/0.1/scipost/{EXPOSURE}/DATACUBE_FINAL.fits (1 exposure, 600 s)"
    )

    project.rule(recipe="muse_exp_combine", fail="no sky lines found")
    project.params("muse_scipost", lambdamin=4800.0)
    failed = project.ask("run", "-c")
    assert failed.status == 1
    end = failed.out[failed.out.index("1 task failed:") :]
    assert "  muse_exp_combine:FIELD_drs: no sky lines found (the recipe returned 1)\n" in end
    assert "  hint: musebuild log --last-failure shows the recipe's log\n" in end
    assert "no sky lines found" in project.ask("log", "--last-failure").out
    assert "no sky lines found" in project.ask("list", "--status", "muse_exp_combine").out
    assert "no sky lines found" in project.ask("why", "muse_exp_combine:FIELD_drs").out
