"""Types of the parameters of the DRS, so that a number is one number however it is written.

Those of version 2.8; a test compares them with the installed pipeline. One name has one type in all
recipes, less the exceptions.
"""

from __future__ import annotations

from musebuild.recipes.model import Parameter

_FLAGS = """
astrometry crop expmap lampwise merge model override_detection residuals samples save_subtracted
saveimage saveimages scale trace wavemap
"""
_WHOLE = """
iterations lambda_size ld line_quality lsf_size nbins nhigh nifu nkeep nlow nsum order ovscignore
passes srcmax srcmin vignnfmmask vignxpar vignypar xbox xorder ybox yorder
"""
_NUMBERS = """
bkgfraction bkgignore bpixdistance crsigma csampling dlambda dres dx dy edgefrac fitsigma fraction
fwhm hisigmabadpix hotsigma hsigma ignore lambdamax lambdamin lambdaref linesigma losigmabadpix
lsf_range lsf_regression_window lsigma ovscsigma raman_width rc roundmax roundmin sampling sharpmax
sharpmin sigma skybinsize skyhalfwidth skymodel_csampling skymodel_fraction skymodel_ignore
skymodel_sampling step thres threshold tolerance vignmaskedges
"""
_LISTS = "pixfrac rsearch sky_crsigma skylines skyreject"
_TEXTS = """
autocalib combine cr crtype darcheck filter fitweighting format method overscan ovscreject profile
resample rvcorr save select skymethod smooth vignsmooth weight
"""
_KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "flag": (("bool",), ()),
    "whole": (("int",), ()),
    "number": (("float",), ()),
    "list": (("str",), ("float",)),
    "text": (("str",), ()),
}


def _typed(names: str, kind: str) -> dict[str, Parameter]:
    kinds, items = _KINDS[kind]
    return {name: Parameter(name, kinds, items=items) for name in names.split()}


PARAMETERS = {
    **_typed(_FLAGS, "flag"),
    **_typed(_WHOLE, "whole"),
    **_typed(_NUMBERS, "number"),
    **_typed(_LISTS, "list"),
    **_typed(_TEXTS, "text"),
}
"""Name → parameter. A list is a text of numbers with commas between them."""
EXCEPTIONS = {
    "muse_create_sky": _typed("crsigma", "list"),
    "muse_dark": _typed("normalize", "number"),
    "muse_exp_align": _typed("weight", "flag"),
    "muse_flat": _typed("normalize", "flag"),
    "muse_scibasic": _typed("resample", "flag"),
    "muse_wavecal": _typed("resample", "flag"),
}
"""Recipe → parameters that are otherwise there."""


def pipeline_parameter(plugin: str, name: str) -> Parameter | None:
    """A parameter of a recipe of the DRS; None: it is not known."""
    return EXCEPTIONS.get(plugin, {}).get(name) or PARAMETERS.get(name)
