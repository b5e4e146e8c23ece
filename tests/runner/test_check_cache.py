"""What the cache of checks keeps on the disk."""

from harness.runner.check_cache import MOST_CHARS, FileCheckCache


async def test_an_answer_of_any_length_takes_no_room_for_good(tmp_path):
    cache = FileCheckCache(tmp_path)
    await cache.keep("short", "\0" * MOST_CHARS)
    await cache.keep("long", "x" * (MOST_CHARS + 1))
    assert await cache.recall("short") == "\0" * MOST_CHARS
    assert await cache.recall("long") is None
    assert len(list(tmp_path.rglob("*.json"))) == 1
