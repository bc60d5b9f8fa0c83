"""A reproduction for people (text), for programs (JSON), and for CI (JUnit XML)."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict

from musebuild.explain.compare import DIFFERENT, SAME_BYTES, SAME_CONTENT
from musebuild.explain.reproduce import MISSING, Reproduced, Reproduction
from musebuild.fits.compare import HduDifference
from musebuild.report.spans import count

CARDS = 5
"""Cards of an HDU that are told."""


def hdu_text(found: HduDifference) -> str:
    """How an HDU differs, in one sentence."""
    if found.kind == "missing":
        return f"{found.name} is missing"
    if found.kind == "added":
        return f"{found.name} is new"
    parts = []
    if found.kind == "shape":
        parts.append(f"has another shape ({found.note})")
    if found.differing:
        noun = "values" if found.columns else "pixels"
        columns = f" in {', '.join(found.columns)}" if found.columns else ""
        share = 100 * found.differing / max(found.total, 1)
        parts.append(
            f"{found.differing} of {found.total} {noun} differ{columns} ({share:.3g} %), "
            f"by at most {found.largest:.6g}"
        )
    cards = [f"{c.keyword}: {c.first} -> {c.second}" for c in found.cards[:CARDS]]
    if len(found.cards) > CARDS:
        cards.append(f"and {len(found.cards) - CARDS} more cards")
    if cards:
        parts.append("cards: " + ", ".join(cards))
    return f"{found.name}: {'; '.join(parts)}"


def detail(product: Reproduced) -> str:
    """Why a product is not the same, on one line."""
    if product.verdict == MISSING:
        return "it was not made"
    texts = [hdu_text(found) for found in product.differences]
    if not texts and product.hdus:
        texts = [f"HDUs that differ: {', '.join(product.hdus)}"]
    if product.note:
        texts.append(product.note)
    return "; ".join(texts)


def reproduction_text(found: Reproduction) -> str:
    """What came of it."""
    lines = [f"{task} was not made: {why}" for task, why in found.failures.items()]
    lines += [
        f"{product.verdict}: {product.task} {product.name}: {detail(product)}"
        for product in found.products
        if not product.agrees
    ]
    counts = [
        f"{found.count(verdict)} {verdict}"
        for verdict in (SAME_BYTES, SAME_CONTENT, DIFFERENT, MISSING)
        if found.count(verdict)
    ]
    lines.append(f"{count(len(found.products), 'product')}: {', '.join(counts)}")
    lines.append("reproduced" if found.agrees else "NOT reproduced")
    return "\n".join(lines) + "\n"


def reproduction_json(found: Reproduction) -> str:
    """The same for programs."""
    return json.dumps({"reproduced": found.agrees} | asdict(found), indent=1) + "\n"


def reproduction_junit(found: Reproduction) -> str:
    """The same as JUnit XML, a test case for each product."""
    bad = sum(not product.agrees for product in found.products)
    suite = ElementTree.Element(
        "testsuite",
        name="musebuild reproduce",
        tests=str(len(found.products) + len(found.failures)),
        failures=str(bad),
        errors=str(len(found.failures)),
        timestamp=found.began,
    )
    for task, why in found.failures.items():
        case = ElementTree.SubElement(suite, "testcase", classname=task, name="recipe")
        ElementTree.SubElement(case, "error", message=why)
    for product in found.products:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=product.task,
            name=product.name,
            time=f"{product.seconds:.3f}",
        )
        if product.agrees:
            ElementTree.SubElement(case, "system-out").text = product.verdict
        else:
            failure = ElementTree.SubElement(case, "failure", message=product.verdict)
            failure.text = detail(product)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
