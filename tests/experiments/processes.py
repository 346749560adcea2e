"""Processes of this one, for tests of several workers."""

import contextlib
import os
import pathlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 120


def started(work: Callable[[], None], log: pathlib.Path) -> int:
    """Id of a process that works."""
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        work()
        status = 0
    except SystemExit as end:
        status = end.code
    except Exception as error:  # what a tool would say
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def free_addresses(count: int) -> list[str]:
    """Of ports on this machine that nobody uses."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


@contextlib.contextmanager
def left_behind_none(processes: list[int]) -> Iterator[None]:
    """Kills what is left of them in the end."""
    try:
        yield
    finally:
        for process in processes:
            # Whose end was waited for is no child any more.
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(process, os.WNOHANG) == (0, 0):
                    os.kill(process, signal.SIGKILL)
                    os.waitpid(process, 0)


def status(process: int) -> int:
    """Exit status of a process, which is waited for; minus its signal."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found, code = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(code)
        time.sleep(0.05)
    raise TimeoutError(f"Process {process} has not ended.")
