"""The history of a product: a tree for people, W3C PROV and RO-Crate for programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from prov.model import ProvDocument
from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from musebuild import __version__
from musebuild.cache.model import Manifest
from musebuild.explain.provenance import TracedFrame, history_of
from musebuild.index.times import Times
from musebuild.report.info import sum_text
from musebuild.report.spans import span

NAMESPACE = "urn:musebuild:"


def _made(manifest: Manifest) -> str:
    parameters = ", ".join(f"{name}={value}" for name, value in manifest.params.items())
    version = f" (DRS {manifest.drs})" if manifest.drs else ""
    packages = ", ".join(f"{name} {v}" for name, v in manifest.packages.items())
    text = f"{manifest.recipe}{version}" + (f" with {packages}" if packages else "")
    when = f"{manifest.made[:19].replace('T', ' ')}, in {span(manifest.seconds)}"
    return f"{text}, {when}" + (f": {parameters}" if parameters else "")


def labels_of(frame: TracedFrame) -> set[str]:
    """Labels of the tasks that made a frame and what went into it: exposures, datasets."""
    every = (frame, *(other for _, other in frame.inputs))
    return {one.made.task.partition(":")[2] for one in every if one.made is not None}


def provenance_text(frame: TracedFrame, times: Mapping[str, Times] = MappingProxyType({})) -> str:
    """The tree down to the raw frames; what was shown once is not shown again.

    Parameters
    ----------
    frame : TracedFrame
        The product.
    times : mapping, optional
        Exposure → when it was taken, of those of `labels_of`.
    """
    lines: list[str] = []
    shown: set[str] = set()

    def show(tag: str, current: TracedFrame, first: str, rest: str) -> None:
        manifest = current.made
        label = f"{tag}: {current.name}" if tag else current.name
        if manifest is None:
            note = {"raw": "", "file": "  (file)", "unknown": "  (not known any more)"}
            lines.append(f"{first}{label}{note.get(current.kind, '')}")
            return
        lines.append(f"{first}{label}  <- {manifest.task}")
        if manifest.key in shown:
            if current.inputs:
                lines.append(f"{rest}   (see above)")
            return
        shown.add(manifest.key)
        lines.append(f"{rest}   {_made(manifest)}")
        for number, (name, other) in enumerate(current.inputs, 1):
            last = number == len(current.inputs)
            show(name, other, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    show("", frame, "", "")
    of_one = frame.made is not None and frame.made.task.partition(":")[2] in times
    if len(times) > 1 and not of_one:
        lines.append(f"exposures: {sum_text(times.values())}")
    raw = sum(other.kind == "raw" for other in history_of(frame))
    lines.append(f"{raw} raw frames in all")
    return "".join(f"{line}\n" for line in lines)


def _moments(manifest: Manifest) -> tuple[dt.datetime, dt.datetime]:
    end = dt.datetime.fromisoformat(manifest.made)
    return end - dt.timedelta(seconds=manifest.seconds), end


def prov_document(frame: TracedFrame) -> ProvDocument:
    """The history as a W3C PROV document: frames are entities, recipes that ran activities."""
    document = ProvDocument()
    document.add_namespace("mb", NAMESPACE)
    agent = document.agent(
        "mb:musebuild", {"prov:type": "prov:SoftwareAgent", "mb:version": __version__}
    )
    done: set[str] = set()
    for current in history_of(frame):
        entity = document.entity(
            _entity(current),
            {
                "prov:label": current.name,
                "mb:category": current.category,
                "mb:digest": current.digest,
                "mb:kind": current.kind,
            },
        )
        manifest = current.made
        if manifest is None:
            continue
        name = f"mb:run-{manifest.key}"
        if manifest.key not in done:
            done.add(manifest.key)
            start, end = _moments(manifest)
            attributes = {
                "prov:label": manifest.task,
                "mb:recipe": manifest.recipe,
                "mb:drs": manifest.drs,
                **{f"mb:param-{name}": str(value) for name, value in manifest.params.items()},
                **{f"mb:package-{name}": value for name, value in manifest.packages.items()},
            }
            document.activity(name, start, end, attributes)
            document.wasAssociatedWith(name, agent)
            for tag, other in current.inputs:
                document.used(name, _entity(other), other_attributes={"prov:role": tag})
        document.wasGeneratedBy(entity, name)
    return document


def _entity(frame: TracedFrame) -> str:
    return f"mb:{frame.identity}"


def write_crate(frame: TracedFrame, path: Path, folder: Path) -> None:
    """Write an RO-Crate: the product itself, and its history as CreateActions.

    Parameters
    ----------
    frame : TracedFrame
        The product.
    path : Path
        Its file.
    folder : Path
        The crate; a name that ends in `.zip` makes a packed one.
    """
    crate = ROCrate()
    crate.name = f"{path.name}: data and provenance"
    crate.description = (
        f"A MUSE data product and the history of its making, by musebuild {__version__}"
    )
    entities = {}
    for current in history_of(frame):
        properties = {
            "@type": "File",
            "name": current.name,
            "additionalType": current.category,
            "identifier": f"blake3:{current.digest}",
        }
        if current is frame:
            entities[_entity(current)] = crate.add_file(
                str(path), dest_path=path.name, properties=properties, record_size=True
            )
        else:
            name = f"#{current.identity}"
            entities[_entity(current)] = crate.add(ContextEntity(crate, name, properties))
    tools: dict[str, ContextEntity] = {}
    results: dict[str, list[TracedFrame]] = {}
    for current in history_of(frame):
        if current.made is not None:
            results.setdefault(current.made.key, []).append(current)
    for key, frames in results.items():
        manifest = frames[0].made
        assert manifest is not None, "only what a recipe made is grouped"
        tool = f"#{manifest.recipe}-{manifest.drs}"
        if tool not in tools:
            tools[tool] = crate.add(
                ContextEntity(
                    crate,
                    tool,
                    {
                        "@type": "SoftwareApplication",
                        "name": manifest.recipe,
                        "softwareVersion": manifest.drs or str(dict(manifest.packages)),
                    },
                )
            )
        start, end = _moments(manifest)
        crate.add_action(
            instrument=tools[tool],
            identifier=f"#run-{key}",
            object=[entities[_entity(other)] for _, other in frames[0].inputs],
            result=[entities[_entity(other)] for other in frames],
            properties={
                "name": manifest.task,
                "startTime": start.isoformat(),
                "endTime": end.isoformat(),
                "description": _made(manifest),
            },
        )
    if folder.suffix == ".zip":
        crate.write_zip(str(folder))
    else:
        crate.write(str(folder))
