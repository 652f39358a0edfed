"""Mistakes of a server on several machines: lost jobs, bounds, secrets; keys in Redis, hooks, conditions."""

from tests.mutants.planting import Mutant
from tests.mutants.serving_paths import JOBS, ROOM

MUTANTS = (
    Mutant(
        "what dies with a replica is lost",
        f"{ROOM}replicas.py",
        "            except RayError:\n                continue\n",
        "            except RayError:\n                break\n",
        (f"{JOBS}replicas.py::test_what_dies_with_a_replica_is_done_again",),
    ),
    Mutant(
        "replicas without a bound",
        f"{ROOM}replicas.py",
        "if urgent and self._urgent[model] + urgent > self._room:",
        "if urgent and urgent > self._room:",
        (f"{JOBS}replicas.py::test_the_queues_of_all_replicas_are_one_bound",),
    ),
    Mutant(
        "replicas know the password of Redis",
        f"{ROOM}replicas.py",
        "        redis=None,\n",
        "",
        (f"{JOBS}replicas.py::test_replicas_know_no_secret_but_that_of_the_watermark",),
    ),
    Mutant(
        "any model of the path",
        f"{ROOM}replicas.py",
        "if facts_of(facts.path).digest != facts.digest:",
        "if not facts_of(facts.path).digest:",
        (f"{JOBS}replicas.py::test_a_machine_with_another_model_is_refused",),
    ),
    Mutant(
        "the end does not wait for replicas",
        f"{ROOM}replicas.py",
        "while any(self._work.values()):",
        "while self._work is None:",
        (f"{JOBS}replicas.py::test_the_end_waits_for_what_was_accepted",),
    ),
    Mutant(
        "Ray Serve waits for ever for room",
        f"{ROOM}replicas.py",
        "if free.get(name, 0) < each * settings.workers:",
        "if free.get(name, 0) < each:",
        (f"{JOBS}replicas.py::test_room_and_devices",),
    ),
    Mutant(
        "a revoked key opens on other machines",
        f"{ROOM}shared_keys.py",
        "return None if found is None else self._read(number, found, revoked)",
        "return None if found is None else self._read(number, found, None)",
        (f"{JOBS}shared_keys.py::test_a_key_made_on_one_machine_opens_and_ends_on_another",),
    ),
    Mutant(
        "two keys of one name in Redis",
        f"{ROOM}shared_keys.py",
        "~= ARGV[2] then return 0 end",
        "== '' then return 0 end",
        (f"{JOBS}shared_keys.py::test_names_are_taken_once",),
    ),
    Mutant(
        "keys that were moved stay behind",
        f"{ROOM}administration.py",
        "            database.forget(key.number)\n",
        "",
        (f"{JOBS}shared_keys.py::test_keys_of_a_folder_move_and_open_as_before",),
    ),
    Mutant(
        "threads of a hook without end",
        f"{ROOM}hooks.py",
        "threading.Semaphore(MOST)",
        "threading.Semaphore(10**6)",
        (f"{JOBS}hooks.py::test_slow_ones_that_are_not_late_are_waited_for",),
    ),
    Mutant(
        "who asks a stuck hook waits",
        f"{ROOM}hooks.py",
        "if self._late >= MOST or not",
        "if not",
        (f"{JOBS}hooks.py::test_threads_are_bounded_and_then_nobody_waits",),
    ),
    Mutant(
        "a hook that hangs counts against the key",
        f"{ROOM}inputs.py",
        '                self._count("late")\n',
        "                self._refuse(key)\n",
        (f"{JOBS}inputs.py::test_a_classifier_that_hangs_turns_away_and_counts_against_nobody",),
    ),
    Mutant(
        "conditions beyond training",
        f"{ROOM}inputs.py",
        "else bounds or facts.seen",
        "else bounds",
        (f"{JOBS}inputs.py::test_without_bounds_a_condition_is_one_that_training_saw",),
    ),
    Mutant(
        "conditions are drawn that are not served",
        f"{ROOM}inputs.py",
        "all(low <= a and b <= high for",
        "any(low <= a and b <= high for",
        (f"{JOBS}inputs.py::test_no_condition_is_drawn_that_the_bounds_leave_out",),
    ),
    Mutant(
        "single images are priced as many",
        f"{ROOM}costs.py",
        "str(rate.batch): price_of_thousand(price, rate.per_second",
        "str(rate.batch): price_of_thousand(price, pace.rates[-1].per_second",
        ("tests/gan/cli/test_serve_cost.py::test_as_json",),
    ),
)
