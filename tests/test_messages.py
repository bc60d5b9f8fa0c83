"""The messages, judged together."""

from __future__ import annotations

import pytest

from tests.support.messages import PAGE, collect, page

MESSAGES = [m for m in collect() if m.kind.endswith("Error")]


def test_the_page_of_messages_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run `python -m tests.support.messages` and read what changed"
    )


def test_there_are_messages() -> None:
    assert len(collect()) > 100


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: f"{m.file}:{m.line}")
def test_each_error_says_what_to_do(message: object) -> None:
    assert message.remedy or message.why, message  # type: ignore[attr-defined]


@pytest.mark.parametrize("message", collect(), ids=lambda m: f"{m.file}:{m.line}")
def test_no_message_speaks_of_the_inside(message: object) -> None:
    text = f"{message.what} {message.why} {message.remedy}".lower()  # type: ignore[attr-defined]
    for word in ("none type", "nonetype", "traceback", "assert", "todo", "please", "invalid input"):
        assert word not in text, text
