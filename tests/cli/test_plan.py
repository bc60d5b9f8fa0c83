"""The plan as a graph, in each format."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from musebuild.cli.main import main
from tests.support.projects import ALL, MockProject

FLAT, BIAS = "muse_flat:2017-06-16T10:48:07", "muse_bias:2017-06-16T10:40:27"


def test_the_plan_in_every_format(project: MockProject, capsys: pytest.CaptureFixture[str]) -> None:
    def plan(*arguments: str) -> str:
        capsys.readouterr()
        assert main(["plan", "-d", str(project.folder), *arguments]) == 0
        return capsys.readouterr().out

    tasks = json.loads(plan())["tasks"]
    assert len(tasks) == ALL
    flat = next(task for task in tasks if task["name"] == f"{FLAT}.ifu02")
    assert {"tag": "MASTER_BIAS", "kind": "product", "source": f"{BIAS}.ifu02"}.items() <= next(
        i for i in flat["inputs"] if i["tag"] == "MASTER_BIAS"
    ).items()
    assert [task["name"] for task in json.loads(plan("muse_bias"))["tasks"]] == [
        f"{BIAS}.ifu01",
        f"{BIAS}.ifu02",
    ]

    dot = plan("--format", "dot")
    assert f'"{BIAS}" -> "{FLAT}";' in dot
    assert dot.count("[fillcolor=") == 15

    mermaid = plan("--format", "mermaid")
    numbers = dict(re.findall(r'(n\d+)\["(.+?)"\]', mermaid))
    arrows = {(numbers[a], numbers[b]) for a, b in re.findall(r"(n\d+) --> (n\d+)", mermaid)}
    assert (BIAS, FLAT) in arrows

    project.params("muse_scipost", lambdamin="<b>&")
    page = project.folder / "plan.html"
    assert main(["plan", "-d", str(project.folder), "--format", "html", "-o", str(page)]) == 0
    html = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;&amp;" in html
    assert not re.search(r'(src|href)="', html), "it loads nothing from elsewhere"
    svg = ElementTree.fromstring(re.search(r"<svg.*?</svg>", html, re.DOTALL)[0])  # type: ignore[index]
    boxes = {g.get("data-name") for g in svg.iter("{http://www.w3.org/2000/svg}g")}
    assert len(boxes) == 15
    paths = [(p.get("data-from"), p.get("data-to")) for p in svg.iter() if p.get("data-from")]
    assert (BIAS, FLAT) in paths
    assert main(["plan", "-d", str(project.folder), "--format", "pdf"]) == 2
