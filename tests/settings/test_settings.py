"""Reading, substitution, validation: what is accepted, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from musebuild.errors import SettingsError
from musebuild.settings.load import load_settings
from musebuild.settings.model import ALWAYS, Block, Settings
from musebuild.settings.nearest import nearest
from musebuild.settings.problems import SettingsProblems
from musebuild.settings.reference import reference
from musebuild.settings.schema import described, schema
from musebuild.settings.secrets import masked
from musebuild.settings.sizes import format_bytes, parse_bytes, parse_seconds

ROOT = Path(__file__).parent.parent.parent
IC4406 = Path(__file__).parent / "data" / "ic4406.yml"


def load(folder: Path, text: str | bytes, **more: dict[str, str]) -> Settings:
    path = folder / "settings.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(path, **more)


def refused(folder: Path, text: str | bytes, **more: dict[str, str]) -> str:
    with pytest.raises(SettingsProblems) as error:
        load(folder, text, **more)
    return str(error.value)


# what is accepted


def test_the_file_that_people_have_unchanged() -> None:
    found = load_settings(IC4406)
    assert found.version == "0.1"
    assert found.raw_path == IC4406.parent / "raw"
    assert found.reduced_path == IC4406.parent / "reduced" / "0.1"
    assert found.blocks["muse_scipost"].params["save"] == "cube,skymodel,individual,raman,autocal"
    assert found.blocks["muse_exp_align"].from_recipe == "muse_scipost_rec"
    assert found.blocks["muse_scipost_rec"].output_dir == "scipost-not-recentered"
    assert [name for name, _ in found.static_calib["BADPIX_TABLE"]] == [
        "badpix_table.fits",
        "badpix_table_pre_2015apr.fits",
    ]
    assert found.frames_exclude["raw"] == ({"night": ["2017-06-13"]},)
    assert str(found.runs["GTO17"].end) == "2017-06-30"


AS_PEOPLE_WRITE = """
workdir: /data
version: '0.1'
datasets:
  IC4406:
    OBJECT: [IC4406, IC4406-something]
runs:
  GTO17: &GTO17
    start_date: 2017-04-01
    end_date: 2017-06-30
  GTO19: &GTO19 {start_date: 2017-09-15, end_date: 2017-09-30}
frames:
  exclude:
    raw:
      - night: ["2018-08-11", "2018-08-18"]
    WAVE:
      - TPL_START: "2018-08-15T19:20:20"
    BIAS: "2017-06-14T09:01:03"
recipes:
  common:
    temp_dir: /scratch
    output_dir: out
  muse_wavecal:
    frames:
      exclude: MASTER_DARK
      include: [MASTER_FLAT]
    params: {saveimages: True}
  muse_scibasic:
    frames:
      MASTER_BIAS: /path/to/MASTER_BIAS/
  muse_scipost:
    frames:
      STD_RESPONSE:
        "{workdir}/path/to/STD_RESPONSE_GTO17.fits": *GTO17
        "{workdir}/path/to/STD_RESPONSE_GTO19.fits": *GTO19
      OFFSET_LIST: drs
      offsets: {STD_TELLURIC: 5, TWILIGHT_CUBE: 3}
  muse_exp_combine:
    exclude_flags: true
    names_with_selection:
      IC4406_good: {raw: "OBJECT_ORIG = 'IC4406' AND EXPTIME > 60", qa_raw: {SP_seeing: 1}}
  mpdaf_combine_best:
    recipe: mpdaf_combine
    use_scale: {from: imphot, bands: [F775W]}
    exclude_flags: [BAD_SLICE]
    select: {qa_reduced: "FSF_FWHM_R < 0.8"}
    fsf_recipe: fsf
    filters: [F775W, F814W]
    mean_waves: [7750, 8140]
  superflat: {superflat_from: muse_scibasic, max_exps: 10, DPR_TYPE: OBJECT, keep_cubes: no}
  fsf: {imphot_recipe: imphot}
"""


def test_what_people_write_is_accepted_with_its_meaning(tmp_path: Path) -> None:
    found = load(tmp_path, AS_PEOPLE_WRITE)
    assert found.frames_exclude == {
        "raw": ({"night": ["2018-08-11", "2018-08-18"]},),
        "WAVE": ({"TPL_START": "2018-08-15T19:20:20"},),
        "BIAS": ("2017-06-14T09:01:03",),
    }
    blocks = found.blocks
    assert blocks["muse_wavecal"].frames.exclude == {"MASTER_DARK"}
    assert blocks["muse_wavecal"].frames.include == {"MASTER_FLAT"}
    assert blocks["muse_wavecal"].params == {"saveimages": True}
    frames = blocks["muse_scipost"].frames
    assert frames.offsets == {"STD_TELLURIC": 5, "TWILIGHT_CUBE": 3}
    assert [(name, str(span.end)) for name, span in frames.sources["STD_RESPONSE"]] == [
        ("/data/path/to/STD_RESPONSE_GTO17.fits", "2017-06-30"),
        ("/data/path/to/STD_RESPONSE_GTO19.fits", "2017-09-30"),
    ]
    assert {block.output_dir for block in blocks.values()} == {"out"}
    assert blocks["superflat"].extra == {
        "superflat_from": "muse_scibasic",
        "max_exps": 10,
        "DPR_TYPE": "OBJECT",
        "keep_cubes": False,
    }
    assert blocks["mpdaf_combine_best"].extra["mean_waves"] == [7750, 8140]


def test_a_mosaic_as_musered_has_it_is_a_frame(tmp_path: Path) -> None:
    text = "recipes: {{mpdaf_combine: {{params: {{version: 0.1, {}}}}}}}"

    def block(more: str) -> Block:
        return load(tmp_path, text.format(more)).blocks["mpdaf_combine"]

    plain = block("")
    assert block("cache_cubes: true") == plain, "it changes nothing that is made"
    assert block("cache_cubes: {muse1: /scratch, muse2: false}") == plain
    assert block("output_wcs: null") == plain
    found = block("output_wcs: wcs/grid.fits")
    assert found.frames.sources == {"OUTPUT_WCS": (("wcs/grid.fits", ALWAYS),)}
    assert found.params == {"version": 0.1, "mosaic": True, "method": "pysigclip"}
    assert block("output_wcs: g.fits, method: median").params["method"] == "median"
    for wrong, told in (
        ("output_wcs: [1]", "this cannot be used here"),
        ("output_wcs: a.fits, mosaic: false", "mosaic: false for none"),
        ("output_wcs: a.fits}, frames: {OUTPUT_WCS: b.fits", "the grid is given twice"),
    ):
        with pytest.raises(SettingsProblems) as caught:
            block(wrong)
        (problem,) = caught.value.problems
        assert problem.keys == ("recipes", "mpdaf_combine", "params", "output_wcs")
        assert told in problem.message
    assert block("output_wcs: a.fits}, frames: {OUTPUT_WCS: a.fits").params["mosaic"] is True


def test_substitution_uses_other_keys_and_ones_own(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "base: data\nworkdir: '{base}/x'\nraw_path: '{workdir}/{version}'\nversion: 0.10\n"
        "datasets: {'F{version}': {OBJECT: '{{x}}'}}\n",
    )
    assert found.raw_path == tmp_path / "data/x/0.10"
    assert found.datasets["F0.10"].objects == ("{x}",)


def test_numbers_and_dates_mean_what_people_mean(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "version: 1.0\ndatasets: {4406: {OBJECT: 12}}\nruns: {R: {start_date: 2017-06-01}}\n"
        "recipes: {muse_scipost: {params: {dlambda: 1e-2, flag: yes}}}\n",
    )
    assert found.version == "1.0"
    assert found.datasets["4406"].objects == ("12",)
    assert found.blocks["muse_scipost"].params == {"dlambda": 0.01, "flag": True}


def test_anchors_aliases_and_merge_keys(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "recipes:\n  muse_scipost: &a\n    params: {x: 1}\n  muse_scipost_2:\n    <<: *a\n"
        "    filt: R\n",
    )
    assert found.blocks["muse_scipost_2"].params == {"x": 1}
    assert found.blocks["muse_scipost_2"].filt == "R"


def test_defaults_are_documented_ones(tmp_path: Path) -> None:
    found = load(tmp_path, "datasets: {A: {}}\n")
    assert found.raw_path == tmp_path / "raw"
    assert found.reduced_path == tmp_path / "reduced" / "0.1"
    assert found.db == tmp_path / "musebuild.db"
    assert found.cache == (tmp_path / ".musebuild" / "store",)
    assert found.cpl.runner == "python-cpl"


def test_ifus_as_people_write_them(tmp_path: Path) -> None:
    assert load(tmp_path, "ifus: 7").ifus == (7,)
    assert load(tmp_path, "ifus: [1, 5-7]").ifus == (1, 5, 6, 7)
    assert load(tmp_path, "ifus: '1-3, 24'").ifus == (1, 2, 3, 24)
    assert load(tmp_path, "ifus: 3.0").ifus == (3,)
    assert load(tmp_path, "ifus: [1.0, 2]").ifus == (1, 2)
    assert load(tmp_path, "version: x").ifus is None


def test_a_whole_number_is_one_however_it_is_written(tmp_path: Path) -> None:
    found = load(tmp_path, "resources: {cores: 4.0}\nretrieve_data: {parallel: 2e0}\n")
    assert (str(found.resources.cores), str(found.retrieve.parallel)) == ("4", "2")
    assert "a whole number" in refused(tmp_path, "resources: {cores: 4.5}")
    assert "is out of range" in refused(tmp_path, "retrieve_data: {parallel: 1e300}")


def test_included_files_lie_below(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text("version: base\nrevision: '7'\n", encoding="utf-8")
    found = load(tmp_path, "include: base.yml\nversion: mine\n")
    assert (found.version, found.revision) == ("mine", "7")
    assert "no settings file" in refused(tmp_path, "include: other.yml")
    assert "includes itself" in refused(tmp_path, "include: settings.yml")


def test_overrides_go_before_the_file(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "recipes: {muse_scipost: {params: {save: cube}}}",
        overrides={"recipes.muse_scipost.params.skymethod": "none", "version": "9"},
    )
    assert found.blocks["muse_scipost"].params == {"save": "cube", "skymethod": "none"}
    assert found.version == "9"
    assert "--set ifus" in refused(tmp_path, "version: x", overrides={"ifus": "[99]"})


def test_the_database_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "db_env: MY_DB\n"
    assert load(tmp_path, text).db == tmp_path / "musebuild.db"
    monkeypatch.setenv("MY_DB", "sqlite:///other.db")
    assert load(tmp_path, text).db == tmp_path / "other.db"
    monkeypatch.setenv("MY_DB", "postgresql://host/db")
    assert "sqlite:///FILE" in refused(tmp_path, text)


# mistakes

MISTAKES = [
    ("raw_pth: x\n", ":1:1: raw_pth: unknown key", "did you mean raw_path?"),
    ("a: '{wrkdir}/x'\n", ":1:5: {wrkdir} names no top-level key", "{workdir}"),
    ("a: '{b}'\nb: '{a}'\n", "substitutes itself", "b → a → b"),
    ("a: '{ workdir }/x'\n", ":1:5: { workdir } names no top-level key", "write {workdir}"),
    ("a: 'x{'\n", ":1:6: a brace { without its other", "write {{ where"),
    ("flags: {A: 'about {1}'}\n", ":1:19: {1} names no top-level key", "write {{1}} where"),
    ("recipes:\n  zap:\n    initt: {}\n", ":3:5: recipes.zap.initt: unknown key", "init"),
    ("ifus: 30\n", ":1:7: ifus: 30 is out of range", "at most 24"),
    ("cpl: {msg: loud}\n", "cpl.msg", "warning"),
    ("runs: {R: {start_date: 2017-06-20, end_date: 2017-06-01}}\n", "before it begins", "R"),
    ("runs: {R: {start_date: soon}}\n", "no date", "2017-06-15"),
    ("a: 2017-02-30\n", "there is no date 2017-02-30", "quotes"),
    ("datasets: {A: {OBJECT: X}, B: {OBJECT: X}}\n", "belongs to the dataset A", "take the name"),
    ("recipes: {muse_scipost: {params: [1]}}\n", "this cannot be used here", "a mapping"),
    ("recipes: {muse_scipost: {params: {dx: .inf}}}\n", "params.dx: inf is not a finite", ".inf"),
    ("x-own: [1, {a: 1e999}]\n", ":1:16: x-own.1.a: inf is not a finite number", "1e999"),
    ("version: 1\nversion: 2\n", ":2:1: the key version is given twice", "line 1"),
    ("recipes:\n\tmuse_flat: {}\n", ":2:1: a tab is used", "spaces"),
    ("a: !!python/object:os.system {}\n", "!!python/object:os.system is not allowed", "plain"),
    ("a: *nowhere\n", "*nowhere names no anchor", "none"),
    ("- a\n- b\n", "this is a list", "raw_path"),
    ("raw_path: ~nobody-here/raw\n", ":1:11: raw_path: there is no user nobody-here", "own home"),
    ("include: ~nobody-here/raw\n", ":1:10: include: there is no user nobody-here", "own home"),
    ("recipes: {zap: {init: {output_dir: ../x}}}\n", "../x leaves the reduced tree", "below"),
    ("recipes: {zap: {init: {output_dir: a//b}}}\n", "it is empty", "below"),
    ("version: ../../x\n", "version: ../../x leaves the reduced tree", "below"),
    ('version: "\\e[2J"\n', "it holds a character that cannot be shown", "below"),
    ("datasets: {..: {}}\n", "datasets", "neither . nor .. alone"),
    ('runs: {"a\\x07b": {}}\n', "runs", "slashes or colons"),
    ("recipes: {zap: {frames: {A: {~nobody-here/a: {}}}}}\n", "no user nobody-here", "home"),
    (f"raw_path: {'é' * 200}\n", ":1:11: raw_path: a name of 200 characters", "255 bytes"),
    (f"datasets: {{{'a' * 300}: {{}}}}\n", ":1:12: datasets.…: a name of 300 characters", "255"),
    (f"static_calib: {{A: {{{'a' * 300}: {{}}}}}}\n", ":1:20: static_calib.A.…: a name", "255"),
    (f"reduced_path: {'abc/' * 1100}\n", "a name of 4400 characters is longer", "255 bytes"),
    (f"include: {'a' * 300}\n", "there is no settings file", "relative to this file"),
    ('recipes: {zap: {init: {output_dir: "a\\0b"}}}\n', "a zero byte cannot be part", "255"),
    ("", "the settings file is empty", "musebuild init"),
    ("just text\n", "a single value", "raw_path"),
    ("raw_path: {workdir}/raw\n", "this is no YAML", "quotes"),
    ("resources: {memory: 20}\n", "has no unit", "20 GB"),
    ("recipes: {muse_flat: {time_limit: soon}}\n", "no span of time", "2 h"),
]


@pytest.mark.parametrize(("text", "what", "help_"), MISTAKES, ids=lambda v: str(v)[:30])
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, what: str, help_: str) -> None:
    told = refused(tmp_path, text)
    assert what in told
    assert help_ in told
    assert "settings.yml:" in told


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = refused(tmp_path, "raw_pth: x\nifus: 99\ncpl: {msg: loud}\nrecipes: {zap: {x: 1}}\n")
    assert "4 mistakes in the settings" in told
    assert [line for line in told.splitlines() if line.startswith("  ") and "^" in line]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (bytes(range(256)) * 40, "not UTF-8 text"),
        (b"a: \x00\n", "zero bytes"),
        (b"a: 1\n" * 1_000_000, "too large for settings"),
        (
            b"a: &a [x,x,x,x,x,x,x,x,x]\n"
            + b"".join(
                b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9))
                for n in range(98, 110)
            ),
            "aliases are expanded",
        ),
        (b"a: " + b"[" * 500, "levels deep"),
    ],
    ids=["binary", "zeros", "large", "bomb", "deep"],
)
def test_what_is_no_settings_file_is_refused_at_once(
    tmp_path: Path, content: bytes, told: str
) -> None:
    assert told in refused(tmp_path, content)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no settings file"):
        load_settings(tmp_path / "settings.yml")


WHOLE = IC4406.read_bytes()


@given(data=st.data())
@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_damage_gives_a_traceback(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "double", "insert"])):
            case "flip":
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 60))]
            case "double":
                content[at:at] = content[at : at + 40]
            case _:
                more = [b"\t", b"{", b"&a ", b": ", b"- ", b"'"]
                content[at:at] = data.draw(st.sampled_from(more))
    path = tmp_path_factory.getbasetemp() / "damaged.yml"
    path.write_bytes(bytes(content))
    try:
        found = load_settings(path)
    except SettingsProblems as error:
        assert str(error)
    else:
        assert isinstance(found, Settings)


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.one_of(
    st.booleans(), st.integers(-1000, 1000), st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), NAMES
)


@given(
    params=st.dictionaries(NAMES, VALUES, max_size=6),
    objects=st.lists(NAMES, min_size=1, max_size=3, unique=True),
    version=st.from_regex(r"[0-9]\.[0-9]{1,2}", fullmatch=True),
    ifus=st.sets(st.integers(1, 24), min_size=1),
)
@settings(max_examples=30, deadline=None)
def test_valid_settings_survive_writing_and_reading(
    params: dict[str, object],
    objects: list[str],
    version: str,
    ifus: set[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tree = {
        "version": version,
        "ifus": sorted(ifus),
        "datasets": {"D": {"OBJECT": objects}},
        "recipes": {"muse_scipost": {"params": params}},
    }
    path = tmp_path_factory.getbasetemp() / "valid.yml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    found = load_settings(path)
    assert found.version == version
    assert found.ifus == tuple(sorted(ifus))
    assert found.datasets["D"].objects == tuple(objects)
    assert found.blocks["muse_scipost"].params == params


# the schema and its page


def test_the_schema_is_one_of_draft_2020_12() -> None:
    Draft202012Validator.check_schema(schema())


class EditorLoader(yaml.SafeLoader):
    """YAML as editors read it: dates are texts, numbers and truth values are not."""


EditorLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith(":timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@pytest.mark.parametrize(
    "text",
    [
        IC4406.read_text(encoding="utf-8"),
        (ROOT / "settings.yml.example").read_text(encoding="utf-8"),
        (ROOT / "musebuild" / "settings" / "template.yml").read_text(encoding="utf-8"),
        "version: 0.10\nrevision: 2\ndatasets: {A: {OBJECT: [12, B]}, B: {OBJECT: 4406}}\n"
        "cpl: {drs_version: 2.8}\nifus: 1-8\n",
    ],
    ids=["ic4406", "example", "template", "numbers"],
)
def test_editors_find_nothing_wrong_with_what_we_accept(text: str) -> None:
    document = yaml.load(text, EditorLoader)
    assert not [error.message for error in Draft202012Validator(schema()).iter_errors(document)]


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == reference(), "python -m musebuild.settings.reference > docs/settings.md"


def parts(node: dict[str, object], path: str) -> list[tuple[str, dict[str, object]]]:
    found = []
    for name, value in node.get("properties", {}).items():  # type: ignore[attr-defined]
        found.append((f"{path}.{name}", value))
        found += parts(value, f"{path}.{name}")
    other = node.get("additionalProperties")
    if isinstance(other, dict):
        found += parts(other, f"{path}.*")
    return found


@pytest.mark.parametrize(("name", "part"), parts(described(), ""), ids=lambda v: str(v)[:40])
def test_each_key_has_a_title_a_description_and_a_default(
    name: str, part: dict[str, object]
) -> None:
    assert part.get("title"), name
    assert part.get("description"), name
    assert "default" in part or name.endswith((".start_date", ".end_date")), name


# small parts


def test_sizes_and_spans() -> None:
    assert parse_bytes("20 GB") == 20 * 10**9
    assert parse_bytes("1.5GiB") == int(1.5 * 2**30)
    assert parse_seconds("1h 30min") == 5400
    assert parse_seconds(90) == 90
    assert format_bytes(2_970_000_000) == "2.97 GB"
    for bad in ("20", "lots", "-3 GB", True):
        with pytest.raises(ValueError, match=r"."):
            parse_bytes(bad)


def test_passwords_are_masked_in_lines_and_each_character_keeps_its_place() -> None:
    line = "x: {password: 'hunter2', store_password: true, at: https://me:hunter2@host/}"
    assert masked(line) == (
        "x: {password: *********, store_password: true, at: https://me:*******@host/}"
    )
    assert masked("  token: abc  # mine") == "  token: ***********"
    assert masked("save: cube,skymodel") == "save: cube,skymodel"


def test_the_nearest_names() -> None:
    assert nearest("scipost", ["muse_scipost", "muse_flat"]) == ["muse_scipost"]
    assert nearest("MUSE-FLAT", ["muse_flat", "muse_bias"])[0] == "muse_flat"
    assert nearest("zzz", ["muse_flat"]) == []
