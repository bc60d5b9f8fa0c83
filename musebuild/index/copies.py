"""Files that hold one exposure: which of them is used. Pure."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from musebuild.fits.digest import FrameDigest
from musebuild.fits.identity import difference, may_be_one, same_data
from musebuild.index.columns import MJD_ZERO
from musebuild.index.model import RawFrame

NAMED = ("OBJECT", "SKY", "STD", "ASTROMETRY")
"""Categories whose frames are reduced one by one, under their names."""


def suspects(frames: Sequence[RawFrame]) -> list[RawFrame]:
    """Frames that share ARCFILE or MJD-OBS with another: few of very many."""
    found: dict[str, RawFrame] = {}
    last: RawFrame | None = None
    # They come by date.
    for frame in frames:
        if last is not None and last.mjd_obs == frame.mjd_obs:
            found[last.path], found[frame.path] = last, frame
        last = frame
    named = [frame.arcfile for frame in frames if frame.arcfile]
    if len(set(named)) < len(named):
        by_name: dict[str, list[RawFrame]] = defaultdict(list)
        for frame in frames:
            if frame.arcfile:
                by_name[frame.arcfile].append(frame)
        for some in by_name.values():
            if len(some) > 1:
                found |= {frame.path: frame for frame in some}
    return list(found.values())


def used_instead(
    frames: Sequence[RawFrame], digests: Mapping[str, str], damaged: Collection[str]
) -> dict[str, str]:
    """Path → path of the file that is used in its place.

    An exposure is known by its name in the archive, else by its date and what its headers say. The
    archive's name is no proof for what a pipeline made, which has that of the first raw frame.

    Parameters
    ----------
    frames : sequence of RawFrame
        Suspects.
    digests : mapping
        Path → `header_digest`.
    damaged : collection of str
        Files that are known to be damaged.
    """
    groups: dict[str, list[RawFrame]] = {}
    for frame in sorted(frames, key=lambda one: _merit(one, damaged)):
        for first, members in groups.items():
            if any(_is_one(frame, member, digests) for member in members):
                groups[first].append(frame)
                break
        else:
            groups[frame.path] = [frame]
    return {frame.path: first for first, members in groups.items() for frame in members[1:]}


def _merit(frame: RawFrame, damaged: Collection[str]) -> tuple[bool, bool, int, bool, int, str]:
    """What is excluded or damaged comes last; then what holds most, under the archive's name."""
    return (
        bool(frame.excluded),
        frame.path in damaged,
        -len(frame.channels),
        not frame.filename.startswith(("MUSE.", "M.MUSE.")),
        len(frame.filename),
        frame.path,
    )


def _is_one(frame: RawFrame, other: RawFrame, digests: Mapping[str, str]) -> bool:
    if frame.is_raw != other.is_raw:
        return False
    if frame.arcfile and other.arcfile and frame.arcfile != other.arcfile:
        return False
    digest, its = digests.get(frame.path, ""), digests.get(other.path, "")
    alike = bool(digest and its) and may_be_one(digest, its)
    if not frame.is_raw:
        key, other_key = ((f.category, f.channels, f.mjd_obs, f.arcfile) for f in (frame, other))
        return alike and bool(frame.arcfile) and key == other_key
    if frame.arcfile and other.arcfile:
        return True
    if frame.mjd_obs != other.mjd_obs:
        return False
    return alike or bool(frame.mjd_obs and _taken_at_once(frame, other, digest, its))


def _taken_at_once(frame: RawFrame, other: RawFrame, digest: str, its: str) -> bool:
    """Whether frames of one moment are one, though headers differ: there is one instrument.

    What is said of the data of the same IFUs tells frames apart; files of other IFUs are parts.
    """
    if not (frame.channels and other.channels) and frame.category != other.category:
        return False
    if frame.channels == other.channels:
        return bool(digest and its) and same_data(digest, its)
    some, all_of_them = sorted(({*frame.channels}, {*other.channels}), key=len)
    return some <= all_of_them


def differences(
    frames: Sequence[RawFrame],
    instead: Mapping[str, str],
    digests: Mapping[str, str],
    contents: Mapping[str, FrameDigest],
    damaged: Collection[str],
) -> dict[str, str]:
    """How files that are not used differ from those that are used in their place.

    Parameters
    ----------
    frames : sequence of RawFrame
        Suspects.
    instead : mapping
        Of `used_instead`.
    digests : mapping
        Path → `header_digest`.
    contents : mapping
        Path → digest of its contents, as far as builds read them.
    damaged : collection of str
        Files that are known to be damaged: no more is told of these.

    Returns
    -------
    dict
        Path → what differs; without those of which nothing is known to differ.
    """
    known = {frame.path: frame for frame in frames}
    found = {}
    for path, used in instead.items():
        if path in damaged:
            continue
        number, its_number = len(known[path].channels), len(known[used].channels)
        if number != its_number:
            found[path] = f"it holds {number} IFU{'s' * (number != 1)} and not {its_number}"
        elif told := _told_apart(path, used, digests, contents):
            found[path] = told
    return found


def _told_apart(
    path: str, used: str, digests: Mapping[str, str], contents: Mapping[str, FrameDigest]
) -> str:
    if path in digests and used in digests and (told := difference(digests[path], digests[used])):
        return told
    # What is packed was digested as it is packed.
    packed = any(name.lower().endswith(".fz") for name in (path, used))
    if packed or path not in contents or used not in contents:
        return ""
    same = contents[path].extensions == contents[used].extensions
    return "" if same else "its contents differ"


def name_apart(frames: Iterable[RawFrame]) -> dict[str, RawFrame]:
    """Different exposures with one name get names of their own, to the millisecond.

    Parameters
    ----------
    frames : iterable of RawFrame
        All that are used.

    Returns
    -------
    dict
        Path → the frame as it is to be known; excluded, where nothing tells it from another.
    """
    by_name: dict[str, list[RawFrame]] = defaultdict(list)
    for frame in frames:
        if frame.is_raw and frame.category in NAMED:
            by_name[frame.name].append(frame)
    changed: dict[str, RawFrame] = {}
    for some in by_name.values():
        if len(some) == 1:
            continue
        taken: dict[str, str] = {}
        for frame in sorted(some, key=lambda one: (one.mjd_obs, one.path)):
            moment = MJD_ZERO + dt.timedelta(days=frame.mjd_obs)
            own = moment.isoformat(timespec="milliseconds")
            if own in taken:
                why = f"another exposure has its date, and other contents: {taken[own]}"
                told = "their names cannot be told apart"
                changed[frame.path] = replace(frame, excluded=why, differs=told)
            else:
                taken[own] = frame.path
                changed[frame.path] = replace(frame, name=own)
    return changed
