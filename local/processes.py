"""Starting and ending child processes so that none outlives its parent."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies (Linux; runs in the child)."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    log: IO[bytes] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own that ends with this process."""
    return subprocess.Popen(
        [str(word) for word in command],
        env=dict(env) if env is not None else None,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=log or subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def end(
    process: subprocess.Popen[bytes], how: int = signal.SIGTERM, patience: float = 10.0
) -> None:
    """End a child and everything in its session; kill what does not go in ``patience`` seconds."""
    if process.poll() is None:
        signal_group(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    signal_group(process.pid, signal.SIGKILL)
    process.wait()


def signal_group(group: int, how: int) -> None:
    """Send a signal to every process of a session that is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, how)


def is_alive(pid: int) -> bool:
    """Whether a process runs under that number (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state != "Z"


def command_line(pid: int) -> list[str]:
    """Return the words of a running process's command, empty when it is gone or not ours to read."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def pids_naming(words: Sequence[str]) -> list[int]:
    """Return the processes whose command line holds every one of ``words`` as an argument."""
    own = os.getpid()
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in numbers if pid != own and set(words) <= set(command_line(pid))]


def pids_in_groups(groups: Sequence[int]) -> list[int]:
    """Return the processes that belong to one of the process groups."""
    own = os.getpid()
    numbers = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in numbers if pid != own and _group(pid) in set(groups)]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def kill_and_wait(pids: Sequence[int], seconds: float = 5.0) -> None:
    """Kill processes and wait until they are gone."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_for(lambda: not any(is_alive(pid) for pid in pids), seconds)


def wait_for(condition: Callable[[], bool], seconds: float, pause: float = 0.03) -> bool:
    """Wait until a condition holds; return whether it came to hold in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return condition()


def free_port() -> int:
    """Return a loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def own_names() -> list[str]:
    """Return this machine's name and the addresses that belong to it."""
    name = socket.gethostname()
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(name, None)}
    except OSError:
        found = set()
    return [name, *sorted(f"[{one}]" if ":" in one else one for one in found)]


def answers(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False


def program(name: str) -> str | None:
    """Return the path of a program on the machine, None when it is missing."""
    return shutil.which(name)


ASIDES = ("(Background on this error", "[SQL:", "[parameters:")
"""What SQLAlchemy writes below the line that tells what happened."""


def last_words(log: Path) -> str:
    """Return the last line of a log that says something, and where the others are: no traceback on a terminal."""
    lines = log.read_text(errors="replace")[-5000:].splitlines() if log.exists() else []
    said = [line for line in map(str.strip, lines) if line and not line.startswith(ASIDES)]
    last = said[-1][:400] if said else "It wrote nothing."
    return f"{last}\nMore stands in {log}."
