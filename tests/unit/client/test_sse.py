"""What a reader of an event stream gets, whatever way the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.client.sse import Frame, frames

_WORDS = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=["Cs"]), min_size=1, max_size=30)


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, start = [], 0
    for size in sizes:
        chunks.append(data[start : start + size])
        start += size
    return [*chunks, data[start:]]


@given(
    st.lists(st.tuples(_WORDS, _WORDS, st.integers(1, 10**9)), max_size=8),
    st.lists(st.integers(1, 7), max_size=60),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_cut_gives_the_same_frames(sent: list[tuple[str, str, int]], sizes: list[int], end: str) -> None:
    text = "".join(f"event: {name}{end}id: {seq}{end}data: {data}{end}{end}" for name, data, seq in sent)
    # A lone CR at the very end waits for a possible LF, as a live stream's next bytes will tell.
    found = list(frames(_cut(text.encode() + b":\n", sizes)))
    assert found == [Frame(name, data, str(seq)) for name, data, seq in sent]


def test_unicode_line_separators_do_not_cut_a_line() -> None:
    text = 'data: {"why": "a\u2028b\x85c"}\n\n'
    assert [frame.data for frame in frames([text.encode()])] == ['{"why": "a\u2028b\x85c"}']


def test_what_the_connection_cut_off_is_not_a_frame() -> None:
    assert list(frames([b"id: 1\ndata: whole\n\nid: 2\ndata: half\n"])) == [Frame("message", "whole", "1")]


def test_comments_and_empty_frames_say_nothing_and_ids_last() -> None:
    stream = b"\xef\xbb\xbfid: 4\ndata: a\n\n: heartbeat\n\nevent: x\n\ndata:b\ndata: c\n\nid: bad\0\nretry: 5\ndata: d\n\n"
    assert list(frames([stream])) == [Frame("message", "a", "4"), Frame("message", "b\nc", "4"), Frame("message", "d", "4")]


def test_a_line_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="without an end"):
        list(frames([b"x" * (1 << 20)] * 9))
