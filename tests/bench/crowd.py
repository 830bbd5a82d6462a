"""Donors among a flood: each reads the page, fills in the form and solves the puzzle without scripts."""

import html
import http.client
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

NUMBERS = {word: n for n, word in enumerate("零一二三四五六七八九")}
SUM = re.compile("([二三四五六七八九])加([二三四五六七八九])等于几")
HIDDEN = re.compile(r'<input[^>]*name="(\w+)"[^>]*value="([^"]*)"')


@dataclass
class Crowd:
    """What came of the donors: how many gave, were asked to solve a puzzle, were refused with what."""

    gave: int = 0
    asked: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, statuses: Sequence[int]) -> None:
        """Count one donor by the answers to their forms."""
        with self.lock:
            self.asked += 429 in statuses[:-1]
            if statuses[-1] == 303:
                self.gave += 1
            else:
                self.refused[statuses[-1]] += 1


class Donor:
    """A browser without scripts behind one address."""

    def __init__(self, port: int, address: str, page: str) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.headers = {"X-Forwarded-For": address, "Connection": "keep-alive"}
        self.page = page

    def give(self) -> list[int]:
        """Give once and return the statuses of the forms sent, a puzzle solved where one is asked for."""
        status, text = self._ask("GET", "")
        if status != 200:
            return [status]
        fields = dict(HIDDEN.findall(text))
        values = {
            "csrf_token": fields["csrf_token"],
            "key": fields["key"],
            "own_amount": "20",
            "display": "anonymous",
            "consent": "y",
        }
        status, text = self._ask("POST", urlencode(values))
        statuses = [status]
        while status == 429 and (found := SUM.search(text)) and len(statuses) < 4:
            answer = sum(NUMBERS[word] for word in found.groups())
            kept = {n: html.unescape(v) for n, v in HIDDEN.findall(text)}
            status, text = self._ask("POST", urlencode({**kept, "puzzle_answer": answer}))
            statuses.append(status)
        self.connection.close()
        return statuses

    def _ask(self, method: str, body: str) -> tuple[int, str]:
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        self.connection.request(method, self.page, body or None, {**self.headers, **form})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            self.headers["Cookie"] = cookie.split(";")[0]
        return answer.status, text


def give(port: int, page: str, addresses: Sequence[str], at_once: int = 4) -> "Giving":
    """Let donors give, a few at once; ``wait`` on what is returned."""
    crowd, waiting, lock = Crowd(), list(addresses), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                address = waiting.pop()
            crowd.note(Donor(port, address, page).give())

    threads = [threading.Thread(target=work, daemon=True) for _ in range(at_once)]
    for thread in threads:
        thread.start()
    return Giving(crowd, threads)


@dataclass
class Giving:
    """Donors at work."""

    crowd: Crowd
    threads: list[threading.Thread]

    def is_going_on(self) -> bool:
        """Whether somebody still gives."""
        return any(thread.is_alive() for thread in self.threads)

    def wait(self) -> Crowd:
        """Return what came of all donors."""
        for thread in self.threads:
            thread.join()
        return self.crowd


@dataclass
class Looks:
    """Looks at a page, twenty a second, with the seconds each took and what was no 200."""

    port: int
    page: str
    taken: list[float] = field(default_factory=list)
    missed: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Looks":
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def at(self, share: float) -> float:
        """Return the time within which this share of looks was answered."""
        return sorted(self.taken)[min(int(len(self.taken) * share), len(self.taken) - 1)]

    def _look(self) -> None:
        while not self.ended.wait(0.05):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            begun = time.monotonic()
            connection.request("GET", self.page, headers={"X-Forwarded-For": "192.0.2.1"})
            answer = connection.getresponse()
            answer.read()
            self.taken.append(time.monotonic() - begun)
            self.missed += answer.status != 200
            connection.close()
