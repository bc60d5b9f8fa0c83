"""The settings reference, from the schema.

python -m musebuild.settings.reference > docs/settings.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping

from musebuild.settings.schema import Part, described, schema

HEAD = """# The settings file

Generated from `schemas/settings.schema.json`
(`python -m musebuild.settings.reference > docs/settings.md`); editors that know YAML schemas
complete and check the file with it. `settings.yml.example` is a whole reduction, explained.

- Texts may hold `{key}` for any top-level key whose value is a text or number, also one of your
  own; `{{` and `}}` stand for braces.
- Relative paths start from the folder of the settings file; `~` is the home folder.
- All mistakes are told at once, each with its line and column (`musebuild check`): those of form
  (a key given twice, a date that is none, a tag) with those of meaning. Reading stops at the first
  mistake of YAML syntax.
- A value of the environment goes before the file's, and `--set KEY=VALUE` before both:
  `MUSEBUILD__recipes__zap__enabled=false` for one value, `MUSEBUILD_SET` for lines of `KEY=VALUE`
  (see commands.md). `musebuild settings` shows what came from where.
- `include` puts other files below this one: mappings are joined key by key, anything else is
  replaced. They lie below the folder of the settings file, links followed, or below a folder that
  your own configuration trusts: a settings file from elsewhere must not reach into your other
  files. Of a file that is no settings file, messages show nothing but the place of the first
  mistake.
- Your own configuration is `~/.config/musebuild/config.yml` (or `musebuild/config.yml` in
  XDG_CONFIG_HOME). It has one key, for what no project may decide for itself: `trusted`, a folder
  or a list of folders from which settings may include files (`trusted: [~/muse/common]`), and from
  which a look may load a pipeline that `cpl.recipe_path` names.
- Dates, numbers, `yes` and `no` need no quotes: where a text is wanted, they mean the text as it is
  written (`version: 0.10`).
- A number is one number however it is written: `5000`, `5000.0`, `5e3` and `'5000'` for a parameter
  of the DRS mean the same, and make nothing run again (see cache.md). It must be finite.
"""


def _kind(part: Part) -> str:
    if "enum" in part:
        return ", ".join(dict.fromkeys(str(c).lower() for c in part["enum"] if c is not None))
    kinds = part.get("type", "")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if part.get("x-as-written"):
        kinds = [kind for kind in kinds if kind != "number"]  # its text is meant
    words = {"object": "mapping", "array": "list", "string": "text", "boolean": "true or false"}
    return " or ".join(words.get(kind, kind) for kind in kinds if kind and kind != "null")


def _lines(name: str, part: Part, depth: int) -> Iterator[str]:
    details = [text for text in (_kind(part),) if text]
    if "default" in part and part["default"] not in (None, {}, [], ""):
        details.append(f"default: `{json.dumps(part['default'])}`")
    about = f" ({'; '.join(details)})" if details else ""
    text = part.get("description") or part.get("title") or ""
    yield f"{'  ' * depth}- `{name}`{about}: {text}"
    for key, value in part.get("properties", {}).items():
        yield from _lines(key, value, depth + 1)
    other = part.get("additionalProperties")
    if isinstance(other, Mapping) and (other.get("properties") or other.get("title")):
        yield from _lines("<name>", other, depth + 1)


def hints() -> Iterator[tuple[str, Part]]:
    """Recipe and what the schema tells of its parameters, for editors and the reference."""
    for part in schema()["properties"]["recipes"]["allOf"]:
        for block in part["patternProperties"].values():
            name = str(block["$ref"]).rpartition("/")[2]
            yield name, schema()["$defs"][name]["properties"]["params"]["properties"]


def reference() -> str:
    """The reference as Markdown."""
    lines = [HEAD]
    for name, part in described()["properties"].items():
        lines.append(f"\n## `{name}`: {part.get('title', '')}\n")
        lines.extend(_lines(name, part, 0))
    for name, params in hints():
        lines.append(f"\n## Parameters of `{name}`\n")
        for key, part in params.items():
            lines.extend(_lines(key, part, 0))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
