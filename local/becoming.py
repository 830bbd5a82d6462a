"""Whom the database server runs as. PostgreSQL refuses root, and root without its powers is stopped by closed homes."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local import processes

HAS_PLACE = 'test -x "$1" && test -d "$2" && cd "$2" && test -x .'


@dataclass(frozen=True)
class Runner:
    """How to start a program of the server.

    ``user`` is whom to become (None: nobody else); ``is_at_home`` says whether that one reaches our folder.
    """

    prefix: list[str] = field(default_factory=list)
    user: int | None = None
    is_at_home: bool = True

    def words(self) -> list[str]:
        """Return what stands before the program."""
        if self.user is None:
            return self.prefix
        ids = [
            f"--reuid={self.user}",
            f"--regid={pwd.getpwuid(self.user).pw_gid}",
            "--clear-groups",
        ]
        return ["setpriv", *ids]


def choose(program: Path, folder: Path, data: Path) -> Runner:
    """Return whom to run a program as, for data in a folder.

    An ordinary user stays who it is. Root becomes whoever owns the data already; else it appears as an
    ordinary user in a user namespace, where no file changes hands; else, where a closed home or the machine
    forbids that, the owner of that home; else ``nobody``, with data and programs elsewhere.
    """
    if os.geteuid() != 0:
        return Runner()
    for runner in _ways(folder, data):
        if _reaches(runner, program, folder):
            return runner
    return Runner(user=pwd.getpwnam("nobody").pw_uid, is_at_home=False)


def _ways(folder: Path, data: Path) -> Iterator[Runner]:
    accounts = {account.pw_uid for account in pwd.getpwall()} - {0}
    if data.exists() and data.stat().st_uid in accounts:
        yield Runner(user=data.stat().st_uid)
    if accounts and processes.program("unshare"):
        seen_as = min(accounts)  # the server looks its own name up, so it must be a known one
        yield Runner(["unshare", "--user", f"--map-user={seen_as}", f"--map-group={seen_as}"])
    for above in folder.parents:
        if above.stat().st_uid in accounts:
            yield Runner(user=above.stat().st_uid)


def _reaches(runner: Runner, program: Path, folder: Path) -> bool:
    words = [*runner.words(), "sh", "-c", HAS_PLACE, "sh", str(program), str(folder)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
