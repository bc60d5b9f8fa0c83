"""`musebuild cache`."""

from __future__ import annotations

from tests.support.projects import ALL, MockProject


def flip(project: MockProject, name: str) -> None:
    """Flip a bit of the object behind a product of the reduced tree."""
    place = next(project.reduced.rglob(name))
    content = place.read_bytes()
    target = next(p for p in (project.store / "objects").glob("*/*") if p.read_bytes() == content)
    place.unlink()
    place.write_bytes(content)
    target.chmod(0o644)
    damaged = bytearray(content)
    damaged[-100] ^= 1
    target.write_bytes(bytes(damaged))


def test_stats_count_outcomes_and_causes(built: MockProject) -> None:
    flip(built, "MASTER_FLAT-01.fits")
    built.build()
    out = built.ask("cache", "stats").out
    assert f"manifests: {ALL}" in out
    assert f"{ALL + 1} ran" in out
    assert "1 object damaged" in out
    assert f"{ALL} absent" in out
    assert "muse_exp_combine" in out
    built.rule(recipe="muse_standard", fail="no star")
    assert built.ask("run", "-a", "--continue").status == 1
    out = built.ask("cache", "stats").out
    assert "1 failed" in out
    assert "6 not run" in out
    assert f"{ALL - 1} up to date" in out
    assert "asked for" in out


def test_verify_finds_what_a_stat_does_not_show(built: MockProject) -> None:
    assert "sound" in built.ask("cache", "verify").out
    flip(built, "MASTER_BIAS-02.fits")
    ran = built.ask("cache", "verify")
    assert ran.status == 1
    assert "object damaged" in ran.out
    assert "muse_bias:2017-06-16T10:40:27.ifu02" in ran.out
    assert "--repair" in ran.out
    before = len(built.journal)
    assert built.ask("cache", "verify", "--repair").status == 0
    assert built.ask("cache", "verify").status == 0
    built.build()
    assert len(built.journal) - before <= 1


def test_rebuild_makes_the_ledger_from_the_store_alone(built: MockProject) -> None:
    (built.folder / "musebuild.db").unlink()
    assert f"from {ALL} manifests" in built.ask("cache", "rebuild").out
    before = len(built.journal)
    built.build()
    assert len(built.journal) == before


def test_an_unknown_action_is_an_error(built: MockProject) -> None:
    ran = built.ask("cache", "stat")
    assert ran.status == 2
    assert "did you mean stats" in ran.err
    assert "wants one action" in built.ask("cache").err
    assert built.ask("cache", "stats", "--repair").status == 2
