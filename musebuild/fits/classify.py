"""The category of a frame, from its header."""

from __future__ import annotations

from collections.abc import Mapping

# The rules of the pipeline's own classification (gasgano/config/muse.oca of the DRS).
RAW_CATEGORIES: dict[str, str] = {
    "BIAS": "BIAS",
    "DARK": "DARK",
    "FLAT,LAMP": "FLAT",
    "FLAT,LAMP,ILLUM": "ILLUM",
    "FLAT,SKY": "SKYFLAT",
    "WAVE": "ARC",
    "WAVE,MASK": "MASK",
    "WAVE,LSF": "ARC_LSF",
    "ASTROMETRY": "ASTROMETRY",
    "STD": "STD",
    "STD,TELLURIC": "STD",
    "SKY": "SKY",
    "OBJECT": "OBJECT",
}


def classify(primary: Mapping[str, object]) -> str:
    """Category of a frame.

    Parameters
    ----------
    primary : mapping
        Primary header; `ESO PRO CATG` wins, then `ESO DPR TYPE` for raw frames.

    Returns
    -------
    str
        Empty where the header does not tell.
    """
    product = primary.get("ESO PRO CATG")
    if product:
        return str(product).strip()
    return RAW_CATEGORIES.get(str(primary.get("ESO DPR TYPE", "")).strip().upper(), "")
