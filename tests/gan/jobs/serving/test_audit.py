"""The audit log: what its chain shows, and what becomes of a line that cannot be written."""

import errno
import hashlib
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving import audit
from gan.jobs.serving.audit import FILE, START, Audit, verify


@pytest.fixture
def log(tmp_path):
    audit = Audit(tmp_path)
    for number in range(5):
        audit.append({"event": "made", "seeds": [number], "name": "é"})
    audit.close()
    return tmp_path / FILE


def lines(log):
    return log.read_bytes().splitlines(keepends=True)


def test_a_chain_of_hashes(log):
    records = [json.loads(line) for line in lines(log)]
    before = START
    for number, record in enumerate(records, 1):
        rest = {key: value for key, value in record.items() if key != "hash"}
        text = json.dumps(rest, sort_keys=True)
        assert record["hash"] == hashlib.sha256(text.encode()).hexdigest()
        assert (record["previous"], record["number"]) == (before, number)
        before = record["hash"]
    assert verify(log.parent) == (5, before)


def test_it_goes_on_where_it_stopped(log):
    audit = Audit(log.parent)
    audit.append({"event": "made"})
    audit.close()
    assert verify(log.parent) == (6, audit.head)


def edited(found):
    return [*found[:2], found[2].replace(b'"seeds": [2]', b'"seeds": [9]'), *found[3:]]


def rehashed(found):
    record = json.loads(found[2]) | {"seeds": [9]}
    del record["hash"]
    text = json.dumps(record, sort_keys=True)
    record["hash"] = hashlib.sha256(text.encode()).hexdigest()
    return [*found[:2], (json.dumps(record) + "\n").encode(), *found[3:]]


CHANGES = {
    "edited": (edited, "line 3 is not what was written"),
    "edited with a new hash": (rehashed, "line 4 does not follow"),
    "removed": (lambda found: [*found[:2], *found[3:]], "line 3 does not follow"),
    "first removed": (lambda found: found[1:], "line 1 does not follow"),
    "swapped": (lambda found: [*found[:2], found[3], found[2], found[4]], "line 3 does not follow"),
    "doubled": (lambda found: [*found[:3], found[2], *found[3:]], "line 4 does not follow"),
    "no JSON": (lambda found: [*found[:2], b"x\n", *found[3:]], "line 3 is no line of an audit log"),
    "cut within": (lambda found: [*found[:4], found[4][:-1]], "line 5 is no line of an audit log"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_shows(log, name):
    change, words = CHANGES[name]
    before = lines(log)
    after = change(before)
    assert after != before
    log.write_bytes(b"".join(after))
    with pytest.raises(UserError, match=words):
        verify(log.parent)


def test_lines_cut_off_the_end_show_beside_a_head_that_was_kept(log):
    _, head = verify(log.parent)
    log.write_bytes(b"".join(lines(log)[:4]))
    assert verify(log.parent)[0] == 4  # the chain alone does not tell
    with pytest.raises(UserError, match="lines were cut off"):
        verify(log.parent, head)
    assert verify(log.parent, verify(log.parent)[1])[0] == 4
    for typed in (head[:12], head[:12] + "...", head.upper() + " ", ""):
        with pytest.raises(UsageError, match="is no head: give the 64 digits"):
            verify(log.parent, typed)


def test_half_a_line_of_a_killed_server_is_cut_off_and_noted(log):
    with log.open("ab") as file:
        file.write(b'{"number": 6, "ti')
    Audit(log.parent).close()
    assert verify(log.parent)[0] == 6
    assert json.loads(lines(log)[-1])["bytes"] == 17


def test_an_edited_end_is_not_built_upon(log):
    log.write_bytes(b"".join([*lines(log)[:4], b"{}\n"]))
    with pytest.raises(UserError, match="the last line is no line"):
        Audit(log.parent)


def writing(folder, number, lines):
    """In a process of its own."""
    audit = Audit(folder)
    for line in range(lines):
        audit.append({"event": "made", "writer": number, "line": line})
    audit.close()


def test_several_processes_make_one_chain(log):
    here = Audit(log.parent)
    writers = [get_context("fork").Process(target=writing, args=(log.parent, n, 20)) for n in range(3)]
    for writer in writers:
        writer.start()
    for line in range(20):
        here.append({"event": "made", "writer": 3, "line": line})
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    here.append({"event": "last"})
    here.close()
    assert verify(log.parent) == (5 + 80 + 1, here.head)
    records = [json.loads(line) for line in lines(log)][5:-1]
    for number in range(4):  # nothing is lost or doubled
        assert [each["line"] for each in records if each["writer"] == number] == list(range(20))


def test_half_a_line_of_another_process_is_cut_off_at_the_next_line(log):
    audit = Audit(log.parent)
    with log.open("ab") as file:
        file.write(b'{"number": 6, "ti')
    audit.append({"event": "made"})
    audit.close()
    assert verify(log.parent)[0] == 7
    assert [json.loads(line)["event"] for line in lines(log)[-2:]] == ["half a line was cut off", "made"]


@pytest.mark.parametrize("half", [False, True])
def test_a_full_disk_leaves_nothing_of_a_line(log, monkeypatch, half):
    audit, before, real = Audit(log.parent), log.read_bytes(), os.write

    def full(file, data):
        if half:
            return real(file, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(UserError, match="cannot write .*audit.jsonl"):
            audit.append({"event": "made"})
    assert log.read_bytes() == before
    audit.append({"event": "made"})
    audit.close()
    assert verify(log.parent)[0] == 6


def test_on_the_disk_before_it_returns(log, monkeypatch):
    audit, synced = Audit(log.parent), []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(log.read_bytes()))
    audit.append({"event": "made", "mark": "here"})
    audit.close()
    assert len(synced) == 1 and b'"mark": "here"' in synced[0]


def test_lines_that_wait_are_flushed_together(log, monkeypatch):
    """While one is at the disk, others come: one flush for them, one chain; what is no JSON fails alone."""
    audit, real = Audit(log.parent), os.fsync
    begun, free, synced = threading.Event(), threading.Event(), []

    def held(file):
        synced.append(log.read_bytes().count(b"\n"))
        begun.set()
        assert free.wait(30)
        real(file)

    monkeypatch.setattr(os, "fsync", held)
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(audit.append, {"event": "made", "n": 0})
        assert begun.wait(30)
        others = [threads.submit(audit.append, {"event": "made", "n": n}) for n in range(1, 6)]
        odd = threads.submit(audit.append, {"event": "made", "n": {1, 2}})
        late = time.monotonic() + 30
        while len(audit._together._coming) < 6:
            assert time.monotonic() < late
            time.sleep(0.005)
        assert not any(each.done() for each in (first, *others))
        free.set()
        assert [each.result(30) for each in (first, *others)] == [None] * 6
        with pytest.raises(TypeError):
            odd.result(30)
    audit.close()
    assert synced == [6, 11] and verify(log.parent) == (11, audit.head)
    assert sorted(json.loads(line).get("n", -1) for line in lines(log)[5:]) == [0, 1, 2, 3, 4, 5]


def test_a_full_disk_fails_all_lines_that_waited(log, monkeypatch):
    audit, real = Audit(log.parent), os.write
    before = log.read_bytes()
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[: len(data) // 2]))
    with pytest.raises(UserError, match="cannot write"):
        audit._add([{"event": "made", "n": n} for n in range(3)])
    assert log.read_bytes() == before
    monkeypatch.undo()
    audit._add([{"event": "made", "n": n} for n in range(3)])
    audit.close()
    assert verify(log.parent) == (8, audit.head)


def test_a_file_is_found_before_its_pixels_however_far_apart(tmp_path, monkeypatch):
    """Each file of a signed image is another one, of the same pixels; lines are met whole in small blocks."""
    log = Audit(tmp_path)
    for number in range(30):
        images = {"sha256": [f"{number:064x}"], "pixels": ["f" * 64]}
        log.append({"event": audit.MADE, "seeds": [number], **images})
        log.append({"event": "verified", "sha256": f"{number:064x}"})
    log.close()
    for block in (1, 100, 2**20):
        monkeypatch.setattr(audit, "_BLOCK", block)
        for number in (0, 17, 29):
            line, place = audit.find(tmp_path, [f"{number:064x}", "f" * 64])
            assert (line["seeds"], line["number"], place) == ([number], 2 * number + 1, 0)
        assert audit.find(tmp_path, ["a" * 64, "f" * 64])[0]["seeds"] == [0]
        assert audit.find(tmp_path, ["a" * 64, "b" * 64]) is None
    assert audit.find(tmp_path / "none", ["a" * 64]) is None
