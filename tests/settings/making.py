"""Random valid settings, as plain trees."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
CATEGORIES = st.from_regex(r"[A-Z][A-Z0-9_]{2,12}", fullmatch=True)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1,
    max_size=20,
).map(lambda text: text.replace("{", "{{").replace("}", "}}"))
NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
SCALARS = st.one_of(st.booleans(), NUMBERS, NAMES, TEXTS)
DATES = st.dates(dt.date(2014, 1, 1), dt.date(2030, 1, 1))
FILES = NAMES.map(lambda name: f"{name}.fits")


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    """A range of nights, either end of which may be open; dates with or without quotes."""
    first, last = sorted((draw(DATES), draw(DATES)))
    found: dict[str, Any] = {"start_date": first, "end_date": last}
    for name in draw(st.sets(st.sampled_from(sorted(found)))):
        del found[name]
    return {name: draw(st.sampled_from([day, str(day)])) for name, day in found.items()}


def one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or a list of them."""
    return st.one_of(values, st.lists(values, min_size=1, max_size=3, unique_by=str))


FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "exclude": one_or_more(CATEGORIES),
        "include": one_or_more(CATEGORIES),
        "offsets": st.dictionaries(CATEGORIES, st.integers(0, 30), max_size=2),
        "OFFSET_LIST": st.one_of(FILES, st.dictionaries(FILES, ranges(), min_size=1, max_size=3)),
        "OUTPUT_WCS": st.lists(FILES, min_size=1, max_size=2),
    },
)
CONDITIONS = st.one_of(
    st.sampled_from(["EXPTIME > 100", "night LIKE '2017-%' OR seeing < 0.8", "name = 'a{{b}}'"]),
    st.dictionaries(NAMES, one_or_more(NAMES), max_size=2),
)
BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "recipe": st.sampled_from(["muse_scipost", "muse_exp_combine"]),
        "enabled": st.booleans(),
        "from_recipe": NAMES,
        "init": st.fixed_dictionaries({}, optional={"output_dir": NAMES, "temp_dir": NAMES}),
        "params": st.dictionaries(NAMES, one_or_more(SCALARS), max_size=4),
        "frames": FRAMES,
        "filt": NAMES,
        "name": NAMES,
        "time_limit": st.sampled_from([90, "2 h", "1h 30min"]),
        "memory": st.sampled_from(["16 GB", "1.5GiB", 10**9]),
        "exclude_flags": st.one_of(st.booleans(), one_or_more(NAMES)),
        "select": st.dictionaries(st.sampled_from(["raw", "flags"]), CONDITIONS, max_size=2),
        "names_with_selection": st.dictionaries(
            NAMES, st.dictionaries(st.sampled_from(["raw", "qa_raw"]), CONDITIONS), max_size=2
        ),
        "use_scale": st.fixed_dictionaries({"from": NAMES}, optional={"bands": st.lists(NAMES)}),
        "DPR_TYPE": one_or_more(NAMES),
        "max_exps": st.integers(1, 100),
        "min_exps": st.integers(2, 100),
        "filters": st.lists(NAMES, max_size=3),
        "mean_waves": st.lists(st.floats(4000, 10000), max_size=3),
    },
)
SETTINGS = st.fixed_dictionaries(
    {"version": st.one_of(NAMES, st.floats(0, 9).map(lambda x: round(x, 2)))},
    optional={
        "workdir": NAMES,
        "raw_path": st.sampled_from(["raw", "{workdir}/raw", "/data/{version}", "~/raw"]),
        "reduced_path": st.just("{workdir}/out/{version}"),
        "revision": st.integers(0, 9),
        "loglevel": st.sampled_from(["debug", "INFO"]),
        "additional_keywords": st.lists(NAMES, max_size=3),
        "datasets": st.dictionaries(
            NAMES,
            st.one_of(st.none(), st.just({}), st.just({"archive_filter": {"prog_id": "60.A"}})),
            max_size=3,
        ),
        "cpl": st.fixed_dictionaries(
            {}, optional={"msg": st.sampled_from(["info", "OFF"]), "msg_format": TEXTS}
        ),
        "ifus": st.one_of(
            st.integers(1, 24), st.just("1-8, 12"), st.lists(st.integers(1, 24), min_size=1)
        ),
        "cache": st.one_of(
            NAMES,
            st.lists(NAMES, min_size=1, max_size=2),
            st.fixed_dictionaries({}, optional={"place": NAMES, "limit": st.just("2 TB")}),
        ),
        "resources": st.fixed_dictionaries(
            {}, optional={"cores": st.integers(1, 64), "memory": st.just("20 GB")}
        ),
        "targets": one_or_more(NAMES),
        "runs": st.dictionaries(NAMES, ranges(), max_size=3),
        "GTO_logs": st.fixed_dictionaries({}, optional={"db": one_or_more(NAMES)}),
        "flags": st.dictionaries(NAMES, TEXTS, max_size=3),
        "static_calib": st.dictionaries(
            CATEGORIES,
            st.one_of(FILES, st.dictionaries(FILES, ranges(), min_size=1, max_size=3)),
            max_size=3,
        ),
        "retrieve_data": st.fixed_dictionaries({}, optional={"username": NAMES}),
        "frames": st.fixed_dictionaries(
            {},
            optional={
                "exclude": st.dictionaries(
                    st.sampled_from(["raw", "BIAS", "MASTER_BIAS"]),
                    st.lists(
                        st.one_of(NAMES, st.dictionaries(NAMES, one_or_more(NAMES), min_size=1)),
                        max_size=3,
                    ),
                )
            },
        ),
        "recipes": st.dictionaries(
            st.one_of(
                NAMES, st.sampled_from(["muse_scipost", "muse_scipost_rec", "muse_exp_align"])
            ),
            BLOCKS,
            max_size=4,
        ),
        "x-mine": st.just({"anything": [1, {"a": None}]}),
    },
)
"""Trees that are valid settings."""
