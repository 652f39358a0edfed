"""When a run is told to stop."""

import os
import signal

from gan.jobs.stopping import Stop


def test_the_clock_counts_minutes(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stop = Stop(2.0)
    for seconds, reason in ((0, None), (119, None), (121, "time is up")):
        now[0] = 1000.0 + seconds
        assert stop.reason() == reason
    assert Stop(None).reason() is None


def test_a_signal_is_noted_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with Stop(None) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.reason() == "stopped by SIGTERM" and stop.signalled
    assert signal.getsignal(signal.SIGTERM) is before
