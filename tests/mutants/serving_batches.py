"""Mistakes of batches, directions, sizes, and several processes behind one port."""

from tests.mutants.planting import Mutant

JOBS = "tests/gan/jobs/serving/test_"
WEB = "tests/gan/web/test_serve_"
ROOM = "gan/jobs/serving/"
API = "gan/web/serve/"

MUTANTS = (
    Mutant(
        "batches go before people",
        f"{ROOM}batching.py",
        "sorted(self._waiting, key=lambda each: not each.wish.urgent)",
        "list(self._waiting)",
        (f"{JOBS}batching.py::test_urgent_ones_go_first_and_others_fill_up",),
    ),
    Mutant(
        "batches take the room of people",
        f"{ROOM}batching.py",
        "return sum(each.wish.urgent for each in self._waiting)",
        "return len(self._waiting)",
        (f"{JOBS}batching.py::test_others_take_no_room_of_urgent_ones",),
    ),
    Mutant(
        "all ride along one direction",
        f"{ROOM}batching.py",
        "return self.psi, self.moves",
        "return self.psi, ()",
        (f"{JOBS}batching.py::test_moved_ones_ride_with_their_like",),
    ),
    Mutant(
        "moved by one standard deviation whatever is asked",
        f"{ROOM}moves.py",
        "move.index, move.amount)",
        "move.index, 1.0)",
        (f"{JOBS}moves.py::test_in_z_of_a_model_without_styles",),
    ),
    Mutant(
        "moved images in batches of another size",
        f"{ROOM}moves.py",
        "whole = [*seeds, *[seeds[-1]] * (BATCH - len(seeds))]",
        "whole = list(seeds)",
        (f"{JOBS}moves.py::test_the_network_sees_batches_of_one_size",),
    ),
    Mutant(
        "the command moves in batches of another size",
        "gan/jobs/sampling/along.py",
        "given + given[-1:] * (sampling.BATCH - len(given))",
        "given + given[-1:] * 0",
        (f"{JOBS}moves.py::test_the_network_sees_batches_of_one_size",),
    ),
    Mutant(
        "directions of another model",
        f"{ROOM}moves.py",
        "if owner == model}",
        "if owner}",
        (f"{WEB}options.py::test_directions_that_do_not_fit",),
    ),
    Mutant(
        "directions of no model are served",
        f"{ROOM}moves.py",
        "if directions.model not in owners:",
        "if not directions.model:",
        (f"{WEB}options.py::test_files_of_directions_are_checked_at_the_start",),
    ),
    Mutant(
        "filters see what was made small",
        f"{ROOM}finishing.py",
        "(judge, withhold, resize, watermark, encode)",
        "(resize, judge, withhold, watermark, encode)",
        (f"{WEB}options.py::test_a_filter_sees_the_image_as_the_model_made_it",),
    ),
    Mutant(
        "answers of any size",
        f"{ROOM}sizes.py",
        "if images * size**2 > MOST_PIXELS:",
        "if size**2 > MOST_PIXELS:",
        (f"{WEB}options.py::test_an_answer_has_so_many_pixels",),
    ),
    Mutant(
        "everybody's batches",
        f"{API}batches.py",
        "return key.number == batch.key",
        "return len(key.number) == len(batch.key)",
        (f"{WEB}batches.py::test_another_key_sees_none",),
    ),
    Mutant(
        "all is given back",
        f"{ROOM}batch_work.py",
        "else gone.total - gone.begun",
        "else gone.total",
        (f"{WEB}batches.py::test_cancelled_in_the_middle",),
    ),
    Mutant(
        "yesterday's charge makes today's quota larger",
        f"{ROOM}batch_work.py",
        "batch.created // _DAY == time.time() // _DAY",
        "batch.created < time.time()",
        (f"{WEB}batches.py::test_yesterdays_charge_is_not_given_back_today",),
    ),
    Mutant(
        "files of a removed batch stay",
        f"{ROOM}batch_work.py",
        "self.batches.discard(batch)  # it was removed meanwhile",
        "self._wake.set()",
        (f"{WEB}batches.py::test_cancelled_in_the_middle",),
    ),
    Mutant(
        "a batch of two models",
        f"{ROOM}batch_work.py",
        "facts is None or facts.digest != batch.digest",
        "facts is None or facts.name != batch.order.model",
        (f"{WEB}batches.py::test_another_model_of_the_name_ends_it",),
    ),
    Mutant(
        "a revoked key goes on",
        f"{ROOM}batch_work.py",
        'key is None or key.state(time.time()) != "valid"',
        "key is None or key.created > time.time()",
        (f"{WEB}batches.py::test_a_key_that_was_revoked_gets_no_more_images",),
    ),
    Mutant(
        "a disk without end",
        f"{ROOM}batch_work.py",
        "self._service.settings.batch_disk_gib * _GIB",
        "self._service.settings.batch_disk_gib * _GIB**2",
        (f"{WEB}batches.py::test_the_disk_is_bounded",),
    ),
    Mutant(
        "a large batch first, to its end",
        f"{ROOM}batches.py",
        "ORDER BY worked, created",
        "ORDER BY created",
        (f"{WEB}batches.py::test_batches_take_turns",),
    ),
    Mutant(
        "two processes make one batch",
        f"{ROOM}batches.py",
        "                yield False\n",
        "                yield True\n",
        (f"{JOBS}batches.py::test_one_at_a_time",),
    ),
    Mutant(
        "a batch begins anew after a restart",
        f"{ROOM}batch_work.py",
        "done = self.batches.progress(batch).done",
        "done = batch.begun if batch.begun == batch.total else 0",
        (f"{WEB}batches.py::test_a_restart_in_the_middle",),
    ),
    Mutant(
        "two chains in one log",
        f"{ROOM}audit.py",
        "if os.fstat(self._file).st_size == self._size:",
        "if self._size:",
        (f"{JOBS}audit.py::test_several_processes_make_one_chain",),
    ),
    Mutant(
        "the dead wait for ever",
        f"{API}counting.py",
        "mark_process_dead(int(found[1]), str(folder))",
        "_alive(int(found[1]))",
        (f"{WEB}workers.py::test_figures_of_a_dead_process_are_forgotten",),
    ),
    Mutant(
        "the page may load anything",
        f"{API}page.py",
        'front.headers["content-security-policy"] = POLICY',
        'front.headers["content-security-policy"] = "script-src *"',
        (f"{WEB}browser.py::test_the_page_says_what_it_may_load",),
    ),
)
