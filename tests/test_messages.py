"""The messages, judged together."""

from __future__ import annotations

from tests.support.messages import PAGE, collect, page


def test_the_page_of_messages_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run `python -m tests.support.messages` and read what changed"
    )


def test_there_are_messages() -> None:
    assert len(collect()) > 100


# No test for each: they would be collected by all workers of pytest-xdist, for seconds.


def test_each_error_says_what_to_do() -> None:
    errors = [message for message in collect() if message.kind.endswith("Error")]
    assert errors
    assert not [message for message in errors if not (message.remedy or message.why)]


def test_no_message_speaks_of_the_inside() -> None:
    words = ("none type", "nonetype", "traceback", "assert", "todo", "please", "invalid input")
    texts = {f"{m.file}:{m.line}": f"{m.what} {m.why} {m.remedy}".lower() for m in collect()}
    assert not {place: text for place, text in texts.items() if any(word in text for word in words)}
