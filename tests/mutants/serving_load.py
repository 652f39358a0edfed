"""Mistakes of a server under load: who makes room, what is flushed, what rides together."""

from tests.mutants.planting import Mutant
from tests.mutants.serving_paths import API, JOBS, ROOM, WEB

MUTANTS = (
    Mutant(
        "idle connections keep their places",
        f"{API}patience.py",
        "if connection is None or since + _IDLE > time.monotonic():",
        "if connection is None or since + _IDLE > 0:",
        (f"{WEB}patience.py::test_who_has_been_idle_longest_makes_room",),
    ),
    Mutant(
        "those that are answered make room",
        f"{API}patience.py",
        "        self.crowd.idle.pop(self, None)\n",
        "",
        (f"{WEB}patience.py::test_who_has_been_idle_longest_makes_room",),
    ),
    Mutant(
        "refused connections take places",
        f"{API}patience.py",
        "placed = len(self.connections) - len(self.crowd.told)",
        "placed = len(self.connections)",
        (f"{WEB}patience.py::test_beyond_the_bound_a_connection_is_told_so",),
    ),
    Mutant(
        "a head of any size in parts",
        f"{API}patience.py",
        "if self.unread > MOST_HEAD and",
        "if self.unread < 0 and",
        (f"{WEB}patience.py::test_a_head_has_a_largest_size",),
    ),
    Mutant(
        "bodies count as heads",
        f"{API}patience.py",
        '        """A part of a body."""\n        self.unread = 0\n',
        '        """A part of a body."""\n',
        (f"{WEB}patience.py::test_a_body_is_no_head",),
    ),
    Mutant(
        "an answer within an answer",
        f"{API}patience.py",
        "if self._is_answering():\n            self.cycle.keep_alive = False\n        elif",
        "if",
        (f"{WEB}patience.py::test_what_comes_before_an_answer_ends_the_connection_after_it",),
    ),
    Mutant(
        "open files as they are",
        f"{API}running.py",
        "    make_room(settings.max_connections)\n",
        "",
        (f"{WEB}descriptors.py::test_the_server_asks_for_them",),
    ),
    Mutant(
        "a revoked key is recalled",
        f"{ROOM}keys.py",
        'return found.key if found is not None and found.key.state(time.time()) == "valid" else None',
        "return found[0] if found is not None else None",
        (f"{JOBS}keys.py::test_revoked_at_once_also_by_another_process",),
    ),
    Mutant(
        "the mistake of one stays for all",
        f"{ROOM}database.py",
        'connection.execute("ROLLBACK TO one")',
        "pass",
        (f"{JOBS}database.py::test_work_that_fails_is_undone_alone",),
    ),
    Mutant(
        "a flush for each that waits",
        f"{ROOM}combining.py",
        "for _ in range(len(self._coming))]",
        "for _ in range(1)]",
        (f"{JOBS}combining.py::test_those_who_wait_are_done_together",),
    ),
    Mutant(
        "only single lines are flushed",
        f"{ROOM}audit.py",
        "            os.fsync(self._file)\n",
        "            len(records) > 1 or os.fsync(self._file)\n",
        (f"{JOBS}audit.py::test_lines_that_wait_are_flushed_together",),
    ),
    Mutant(
        "what waits for filters is not bounded",
        f"{ROOM}batching.py",
        "max(self._urgent() + asked, self._finishing) > self._capacity",
        "self._urgent() + asked > self._capacity",
        (f"{JOBS}batching.py::test_images_that_wait_for_filters_refuse_others",),
    ),
    Mutant(
        "the filters' backlog is not told",
        f"{ROOM}service.py",
        "with self.engine.finishing(order.model, len(order.seeds)):",
        "with self.engine.finishing(order.model, 0):",
        (f"{WEB}faults.py::test_a_backlog_of_filters_is_overload",),
    ),
    Mutant(
        "batches that are not full do not wait",
        f"{ROOM}batching.py",
        "if self._waiting and (is_asked or self._is_answered()):",
        "if self._waiting and self._is_answered():",
        (f"{JOBS}batching.py::test_a_batch_that_is_not_full_waits_a_moment_for_more",),
    ),
)
