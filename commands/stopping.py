"""A signal ends a command in order: statements are cancelled, locks freed, and whoever watches is told."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Protocol
from weakref import WeakSet

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.5
"""What begins after a first cancelling is cancelled, too."""
LOST_SECONDS = 0.02
"""After which a signal is sent again that came where nothing can be raised."""


class StoppedError(KeyboardInterrupt):
    """A signal has come. Libraries treat it as they treat Ctrl-C; nothing that handles errors handles it."""

    def __init__(self, number: int) -> None:
        name = signal.Signals(number).name
        super().__init__(f"stopped by {name}; what was recorded stays, and the next run carries on")
        self.exit_code = 128 + number
        """As shells report a program that a signal has ended."""


class Cancellable(Protocol):
    """Something with statements that take their time."""

    def cancel(self) -> None: ...


_OPEN: WeakSet[Cancellable] = WeakSet()
_COME: list[int] = []
"""The signal that has come, as libraries may turn what it raises into an error of theirs."""


def stopped() -> StoppedError | None:
    """The end that a signal has asked for; None where none has come."""
    return StoppedError(_COME[0]) if _COME else None


def cancelled_on_signal(source: Cancellable) -> None:
    """Cancel the source's statements when a signal stops the command. They run in a library that hears no signal."""
    _OPEN.add(source)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise StoppedError inside at the first signal. Ctrl-C a second time ends the program wherever it is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    over = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        for one in SIGNALS:
            signal.signal(one, signal.default_int_handler if one == signal.SIGINT else signal.SIG_IGN)
        if not _COME:
            threading.Thread(target=_cancel, args=(over,), daemon=True).start()
        _COME.append(number)
        raise StoppedError(number)

    usual = sys.unraisablehook

    def lost(unraisable: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised while it tidies up, with a traceback on the screen, and would go on."""
        if not isinstance(unraisable.exc_value, StoppedError):
            usual(unraisable)
            return
        signal.signal(_COME[0], stop)
        threading.Thread(target=_send_again, args=(over, _COME[0]), daemon=True).start()

    # What nohup or a shell told us to ignore stays ignored.
    before = {one: signal.getsignal(one) for one in SIGNALS if signal.getsignal(one) != signal.SIG_IGN}
    _COME.clear()
    for one in before:
        signal.signal(one, stop)
    sys.unraisablehook = lost
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = usual
        for one, handler in before.items():
            signal.signal(one, handler)


def _cancel(over: threading.Event) -> None:
    while not over.is_set():
        for source in list(_OPEN):
            # A source that is closing has nothing left to cancel.
            with suppress(Exception):
                source.cancel()
        over.wait(AGAIN_SECONDS)


def _send_again(over: threading.Event, number: int) -> None:
    main = threading.main_thread().ident
    if not over.wait(LOST_SECONDS) and main is not None:
        signal.pthread_kill(main, number)
