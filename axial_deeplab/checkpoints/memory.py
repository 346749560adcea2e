"""How much memory this process occupies."""

import pathlib
import re
import resource
import sys

_STATUS = pathlib.Path("/proc/self/status")
_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def resident_bytes() -> int:
    """Resident size now; where the system does not say, the largest so far."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The largest resident size of this process so far."""
    return _status("VmHWM")


def _status(name: str) -> int:
    if _STATUS.exists():
        # (That of `getrusage` begins with what the parent process had.)
        found = re.search(rf"{name}:\s+(\d+) kB", _STATUS.read_text())
        if found:
            return int(found[1]) * 1024
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss * _UNIT_BYTES
