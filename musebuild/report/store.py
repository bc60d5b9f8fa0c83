"""The store in numbers, and what a verification of it found."""

from __future__ import annotations

from musebuild.cache.collect import Decision
from musebuild.cache.stats import Stats
from musebuild.cache.verify import VerifyReport
from musebuild.report.spans import count, span
from musebuild.report.tables import Rows, text_of
from musebuild.settings.sizes import format_bytes


def stats_text(stats: Stats) -> str:
    """Size, use and success of the store."""
    lines = [
        f"manifests: {stats.manifests}",
        f"objects: {stats.objects}, {format_bytes(stats.object_bytes)}",
    ]
    if stats.named_bytes > stats.object_bytes - stats.unused_bytes:
        saved = stats.named_bytes - (stats.object_bytes - stats.unused_bytes)
        lines.append(f"shared: {format_bytes(saved)} are kept once though several tasks made them")
    if stats.unused_objects:
        lines.append(
            f"unused: {count(stats.unused_objects, 'object')}, {format_bytes(stats.unused_bytes)} "
            "(logs of failures, and what a build left that was stopped)"
        )
    lines.append(
        f"recipes took {span(stats.seconds_spent)}; restoring saved {span(stats.seconds_saved)}"
    )
    if stats.outcomes:
        lines.append("outcomes: " + ", ".join(f"{n} {name}" for name, n in stats.outcomes.items()))
    if stats.misses:
        lines.append("causes of a run: " + ", ".join(f"{n} {m}" for m, n in stats.misses.items()))
    if stats.recipes:
        rows = [
            (
                recipe.recipe,
                recipe.manifests,
                format_bytes(recipe.product_bytes),
                span(recipe.seconds),
                format_bytes(recipe.peak_memory),
            )
            for recipe in stats.recipes
        ]
        columns = ("recipe", "made", "products", "time", "peak memory")
        lines += text_of(Rows(columns, tuple(rows))).splitlines()
    return "\n".join(lines) + "\n"


def verify_text(report: VerifyReport, *, repaired: bool) -> str:
    """What a verification found."""
    lines = []
    for found in report.findings:
        line = f"{found.kind}: {found.path}"
        if found.task:
            line += f" (of {found.task})"
        if found.detail:
            line += f": {found.detail}"
        if found.repair:
            line += f" -> {found.repair}"
        lines.append(line)
    lines.append(
        f"{count(report.manifests, 'manifest')} and {count(report.objects, 'object')} "
        f"({format_bytes(report.bytes)}) read: " + ("sound" if report.sound else "NOT sound")
    )
    if not report.sound and not repaired:
        lines.append("hint: musebuild cache verify --repair, then `doit` makes again what was lost")
    return "\n".join(lines) + "\n"


def gc_text(found: Decision, limit: int | None, *, dry_run: bool) -> str:
    """What garbage collection dropped, or would, and what it costs to get back."""
    done = "would be dropped" if dry_run else "dropped"
    lines = []
    parts: dict[str, tuple[int, int, float]] = {}
    for drop in found.drops:
        number, size, seconds = parts.get(drop.recipe, (0, 0, 0.0))
        parts[drop.recipe] = number + 1, size + drop.bytes, seconds + drop.seconds
    for recipe, (number, size, seconds) in sorted(parts.items()):
        lines.append(
            f"{recipe}: {count(number, 'result')}, {format_bytes(size)}, "
            f"{span(seconds)} to make {'it' if number == 1 else 'them'} again"
        )
    if found.unused_bytes:
        lines.append(f"{format_bytes(found.unused_bytes)} that no result names")
    lines.append(
        f"{count(len(found.drops), 'result')} {done}: {format_bytes(found.before)} -> "
        f"{format_bytes(found.after)}; {span(found.seconds)} of recipes to make them again"
    )
    lines.append(
        f"{count(found.needed, 'result')} of the plan stay"
        + (f", and {found.in_use} that lie in a reduced tree" if found.in_use else "")
    )
    if limit is not None and found.after > limit:
        lines.append(
            f"that is more than {format_bytes(limit)}: the rest is needed; a store on a larger "
            "disk can be named with `cache:` in the settings"
        )
    return "\n".join(lines) + "\n"
