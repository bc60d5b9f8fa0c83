"""Commands of MuseRed are answered with what to type here."""

from __future__ import annotations

import pytest

from musebuild.cli.of_musered import COMMANDS, instead
from tests.support.projects import MockProject


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("process-calib", "doit calib"),
        ("process-calib --flat", "doit muse_flat"),
        ("process-calib --bias 2017-06-16*", "doit 'muse_bias:2017-06-16*'"),
        ("process-calib --bias --lsf 2017*", "doit 'muse_bias:2017*' 'muse_lsf:2017*'"),
        ("process-calib --dark --dry-run", "doit --dry-run muse_dark"),
        ("process-exp", "doit science"),
        ("process-exp --dataset IC4406", "doit IC4406"),
        ("process-exp --scipost --params muse_scipost_rec --force", "doit -a muse_scipost_rec"),
        ("process-exp --makecube --settings s.yml", "doit --settings s.yml muse_scipost_make_cube"),
        ("exp-align IC4406", "doit 'muse_exp_align:IC4406*'"),
        ("exp-align --method=imphot", "doit imphot"),
        ("exp-combine --method mpdaf IC4406", "doit 'mpdaf_combine:IC4406*'"),
        ("exp-combine --redversion 0.2", "doit --set version=0.2 muse_exp_combine"),
        ("std-combine", "doit muse_std_combine"),
        ("retrieve-data IC4406", "musebuild retrieve IC4406"),
        ("update-db --force", "nothing: each command reads"),
        ("process-exp --params", "doit science"),
    ],
)  # fmt: skip
def test_what_to_type_instead(typed: str, told: str) -> None:
    assert instead(typed.split()).startswith(told)


def test_it_is_told_and_nothing_runs(project: MockProject) -> None:
    ran = project.ask("process-calib", "--bias", "2017-06-16*")
    assert ran.status == 2
    assert "process-calib is a command of MuseRed" in ran.err
    assert "hint: doit 'muse_bias:2017-06-16*'" in ran.err
    assert not project.journal
    assert all(project.ask(name).status == 2 for name in sorted(COMMANDS))
