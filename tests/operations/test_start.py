"""How ``make run`` starts: clear refusals, and nothing left behind by a run that was killed."""

import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine

from fundraising import demo, revisions, schema
from local import becoming, processes, run, state
from local.becoming import Runner
from local.postgres import FAST_FOR_TESTS, Postgres
from local.stack import Stack

STRANGER = pwd.getpwnam("nobody").pw_uid
ANOTHER = min(account.pw_uid for account in pwd.getpwall() if account.pw_uid)


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "８０００", "80 80", ""])
def test_a_port_that_is_none_is_named(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", port)

    assert run.main() == 1
    assert "PORT" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    monkeypatch.setattr(run, "ROOT", tmp_path)

    assert run.main() == 1
    assert "must be writable" in capsys.readouterr().err


def test_what_a_killed_run_left_behind_is_ended(tmp_path: Path) -> None:
    """A child's child does not hear that its grandparent died, and may hold the port."""
    sleeper = "import time; time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}])"
    leader = processes.spawn([sys.executable, "-c", script])
    assert processes.wait_for(lambda: len(processes.pids_in_groups([leader.pid])) == 2, 10)
    os.kill(leader.pid, signal.SIGKILL)
    leader.wait()
    (tmp_path / "groups.json").write_text(json.dumps([leader.pid]))
    assert len(processes.pids_in_groups([leader.pid])) == 1

    Stack(tmp_path)._end_leftovers()

    assert [p for p in processes.pids_in_groups([leader.pid]) if processes.is_alive(p)] == []


def test_a_number_that_came_to_belong_to_another_program_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    (tmp_path / "groups.json").write_text(json.dumps([other.pid]))
    try:
        Stack(tmp_path)._end_leftovers()
        time.sleep(0.1)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_list_of_leftovers_that_is_garbage_is_no_matter(tmp_path: Path) -> None:
    (tmp_path / "groups.json").write_text("{")

    Stack(tmp_path)._end_leftovers()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8139"),
        ("0.0.0.0", "http://127.0.0.1:8139"),  # noqa: S104  asked for, not chosen
        ("::1", "http://[::1]:8139"),
    ],
)
def test_the_address_shown_can_be_opened(tmp_path: Path, host: str, address: str) -> None:
    stack = Stack(tmp_path, host=host, port=8139)

    assert stack.base_url == address
    assert address.removeprefix("http://") in stack._hosts()


def test_served_to_all_it_answers_to_the_names_of_this_machine(tmp_path: Path) -> None:
    hosts = Stack(tmp_path, host="0.0.0.0", port=8139)._hosts()  # noqa: S104  asked for, not chosen

    assert set(processes.own_names()) <= set(hosts)
    only_here = set(Stack(tmp_path, port=8139)._hosts())
    assert only_here == {f"{n}{p}" for n in ("localhost", "127.0.0.1") for p in ("", ":8139")}


@pytest.mark.parametrize("answer", [None, b"-NOAUTH Authentication required.\r\n"])
def test_a_redis_that_accepts_and_never_answers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    monkeypatch.setattr(state, "REDIS_SECONDS", 0.2)
    monkeypatch.setattr(state, "trouble", lambda _url: "")
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        stack = Stack(tmp_path, env={"DATABASE_URL": "x", "REDIS_URL": url}, say=said.append)
        stack.variables = stack._environment()
        starting = threading.Thread(target=stack._start_servers)
        starting.start()
        with listener.accept()[0] as line:
            if answer:
                line.sendall(answer)
            starting.join()

    assert ["REDIS_URL" in each for each in said] == ([] if answer else [True])


def test_the_secret_is_for_its_owner_only(tmp_path: Path) -> None:
    Stack(tmp_path)._secret()

    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_later_start_sees_without_a_command_that_nothing_is_to_do(
    own_database: Flask, postgres: Postgres
) -> None:
    url = own_database.config["SQLALCHEMY_DATABASE_URI"]

    assert revisions.newest() == schema.head()
    engine = create_engine(url)
    with engine.connect() as connection:
        assert revisions.current(connection) == schema.head()
    engine.dispose()
    assert state.is_current(url)
    assert not state.has_campaign(url)
    assert not state.is_current(postgres.url(database="postgres"))
    assert not state.is_current("postgresql+psycopg://nobody@127.0.0.1:1/none")


def test_the_sign_ins_shown_are_those_of_the_demonstration() -> None:
    assert state.demo_accounts() == [
        f"{email}  {demo.PASSWORD}  {role}" for email, role, _ in demo.STAFF
    ]


@pytest.fixture
def closed_home() -> Iterator[Path]:
    """A folder that only its owner, an ordinary user, may enter, with a checkout that root made in it."""
    home = Path(tempfile.mkdtemp())
    (home / "checkout").mkdir()
    if os.geteuid() == 0:
        os.chown(home, STRANGER, STRANGER)
    home.chmod(0o700)
    yield home
    shutil.rmtree(home)


def test_in_a_closed_home_root_becomes_its_owner(closed_home: Path) -> None:
    """Root in a user namespace has no power over other people's folders."""
    folder = closed_home / "checkout"
    expected = Runner(user=STRANGER) if os.geteuid() == 0 else Runner()

    assert becoming.choose(Path("/bin/true"), folder, folder / "data") == expected


def test_root_becomes_whoever_owns_the_data(closed_home: Path) -> None:
    """A server that ran as an ordinary user refuses its data to anybody else."""
    closed_home.chmod(0o755)
    data = closed_home / "checkout" / "data"
    data.mkdir()
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(data, ANOTHER, ANOTHER)

    chosen = becoming.choose(Path("/bin/true"), data.parent, data)

    assert chosen == (Runner(user=ANOTHER) if is_root else Runner())


def test_root_is_seen_as_somebody_the_machine_knows(tmp_path: Path) -> None:
    """PostgreSQL looks its own name up; a bare machine knows few."""
    ways = list(becoming._ways(tmp_path, tmp_path / "data"))
    seen = [
        int(word.rpartition("=")[2]) for way in ways for word in way.prefix if "map-user" in word
    ]

    assert all(pwd.getpwuid(uid) for uid in seen)
    assert 0 not in seen


def test_a_server_starts_in_a_closed_home(closed_home: Path) -> None:
    """Where its programs cannot be reached either, it runs elsewhere as nobody."""
    server = Postgres(closed_home / "checkout" / "postgres", FAST_FOR_TESTS)
    server.start()
    try:
        with server.connect() as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.stop()
        if server._home != server.folder:
            shutil.rmtree(server._home)


def test_a_failure_is_told_in_its_last_line_without_a_traceback(tmp_path: Path) -> None:
    log = tmp_path / "setup.log"
    assert "wrote nothing" in processes.last_words(log)
    log.write_text(
        "Traceback (most recent call last):\n  File x\nalembic.CommandError: two heads\n"
        "[SQL: ALTER TABLE x]\n(Background on this error at: https://sqlalche.me/e/21/f405)\n\n"
    )

    said = processes.last_words(log)

    assert said.splitlines() == ["alembic.CommandError: two heads", f"More stands in {log}."]


def test_a_server_elsewhere_that_does_not_answer_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/x")
    monkeypatch.setenv("PORT", str(processes.free_port()))
    monkeypatch.setattr(run, "ROOT", tmp_path)

    assert run.main() == 1

    said = capsys.readouterr().err
    assert "DATABASE_URL" in said
    assert "secret" not in said
