"""Mistakes of a server: roles, what may be asked for, what filters do, quotas that machines share, faults."""

from tests.mutants.planting import Mutant

JOBS = "tests/gan/jobs/serving/test_"
WEB = "tests/gan/web/test_serve_"
ROOM = "gan/jobs/serving/"
API = "gan/web/serve/"

MUTANTS = (
    Mutant(
        "the role is not asked at the door",
        f"{API}door.py",
        "if not any(key.may(each) for each in what):",
        "if not any(key.may(each) for each in what) and key.revoked:",
        (f"{WEB}access.py::test_what_a_role_may",),
    ),
    Mutant(
        "a verifier makes images",
        f"{ROOM}service.py",
        'if not key.may("images"):',
        'if not key.may("models"):',
        (f"{WEB}access.py::test_images_need_the_role_also_behind_the_door",),
    ),
    Mutant(
        "old files are not migrated",
        f"{ROOM}database.py",
        "if column not in present:",
        'if column not in present and column == "calm_at":',
        (f"{JOBS}keys.py::test_a_file_of_a_version_without_roles_goes_on",),
    ),
    Mutant(
        "a full disk shuts the keys",
        f"{ROOM}database.py",
        'self._connection.execute("ROLLBACK")',
        "pass",
        (f"{JOBS}keys.py::test_a_failed_commit_does_not_shut_the_file",),
    ),
    Mutant(
        "a clock set back gives a second day",
        f"{ROOM}quotas.py",
        "used = used if day >= today else 0",
        "used = used if day == today else 0",
        (f"{JOBS}keys.py::test_a_clock_that_jumps",),
    ),
    Mutant(
        "look-alikes pass",
        f"{ROOM}wording.py",
        "            found[letter] = min(latin, key=len)\n",
        "            found[letter] = letter\n",
        (f"{JOBS}wording.py::test_in_disguise",),
    ),
    Mutant(
        "spacing passes",
        f"{ROOM}wording.py",
        "if min(map(len, parts)) == 1:",
        "if max(map(len, parts)) == 1 and len(parts) > 9:",
        (f"{JOBS}wording.py::test_in_disguise",),
    ),
    Mutant(
        "a blocked class by number",
        f"{ROOM}inputs.py",
        "if label in barred and isinstance(label, int):",
        "if label in barred and isinstance(label, str):",
        (f"{JOBS}inputs.py::test_classes",),
    ),
    Mutant(
        "a blocked class may be drawn",
        f"{ROOM}inputs.py",
        "if label is None and barred:",
        "if label is None and None in barred:",
        (f"{JOBS}inputs.py::test_a_class_that_a_word_meets_is_not_served_by_number_either",),
    ),
    Mutant(
        "a classifier that says yes in other words",
        f"{ROOM}inputs.py",
        "if allowed is not True:",
        "if not allowed:",
        (f"{JOBS}inputs.py::test_a_classifier_that_does_not_say_true_refuses",),
    ),
    Mutant(
        "near misses are not counted",
        f"{ROOM}inputs.py",
        '        self._count("refused")\n        self._usage.near_miss(key, *self._patience())',
        '        self._count("refused")',
        (f"{WEB}filters.py::test_near_misses_are_noted_and_a_key_with_many_has_to_wait",),
    ),
    Mutant(
        "the first filter decides",
        f"{ROOM}filters.py",
        "action=strictest([action for _, action in met]),",
        'action=met[0][1] if met else "allow",',
        (f"{JOBS}filters.py::test_the_strictest_policy_counts_and_all_that_was_met_is_told",),
    ),
    Mutant(
        "a blurred image leaves as it is",
        f"{ROOM}filters.py",
        'blurred(image) if verdict.action == "blur" else image',
        "image",
        (f"{WEB}filters.py::test_policies_in_files_and_headers",),
    ),
    Mutant(
        "blurring keeps more than coarse colours",
        f"{ROOM}policies.py",
        "coarse = ((means / step).floor() + 0.5) * step",
        "coarse = means",
        (f"{JOBS}policies.py::test_small_changes_of_a_part_are_rounded_away",),
    ),
    Mutant(
        "a row is its own nearest other",
        f"{ROOM}memorised.py",
        "found.indices[:, 0] == picked, found.distances[:, 1]",
        "found.indices[:, 0] == picked, found.distances[:, 0]",
        (f"{JOBS}memorised.py::test_the_threshold_is_a_percentile_of_nearest_distances",),
    ),
    Mutant(
        "a distance that is no number passes",
        f"{ROOM}memorised.py",
        "return not distance > self.threshold",
        "return distance <= self.threshold",
        (f"{JOBS}memorised.py::test_a_copy_is_met_and_something_else_is_not",),
    ),
    Mutant(
        "Redis lets a second request take the same images",
        f"{ROOM}shared.py",
        "used + images <= most then",
        "used <= most then",
        (f"{JOBS}shared.py::test_nothing_is_let_through_twice",),
    ),
    Mutant(
        "without Redis all may pass",
        f"{ROOM}shared.py",
        "        kind = type(error).__name__  # its text could hold what was sent",
        '        return ["0", "0", "0"]',
        (f"{JOBS}shared.py::test_redis_goes_and_comes_back",),
    ),
    Mutant(
        "what Redis says is repeated",
        f"{ROOM}shared.py",
        "    except (ValueError, TypeError):\n        pass  # its text could hold the password",
        "    except (ValueError, TypeError) as error:\n        raise UsageError(url) from error",
        (f"{JOBS}shared.py::test_a_password_is_in_no_message",),
    ),
    Mutant(
        "a password is shown with the settings",
        f"{ROOM}settings.py",
        "field(default=None, repr=False)",
        "field(default=None)",
        (f"{JOBS}settings.py::test_a_password_is_not_shown",),
    ),
    Mutant(
        "a worker that died is waited for",
        f"{ROOM}batching.py",
        "if self._thread is None or not self._thread.is_alive():",
        "if self._thread is None:",
        (f"{WEB}faults.py::test_a_worker_that_is_killed_is_replaced",),
    ),
    Mutant(
        "half a head is waited for",
        f"{API}patience.py",
        "        elif self._late is None:\n            self._wait()",
        "        else:\n            self._calm()",
        (f"{WEB}patience.py::test_half_a_head_is_not_waited_for",),
    ),
    Mutant(
        "the server does not look at its connections",
        f"{API}running.py",
        '        "http": patient(settings.body_seconds, settings.max_connections),\n',
        "",
        (f"{WEB}patience.py::test_the_server_looks_at_its_connections",),
    ),
)
