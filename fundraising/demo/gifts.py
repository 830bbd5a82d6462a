"""The gift files of the demonstration, as 公益宝 would give them: the same every time."""

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from fundraising import clock

COMMON_FEN = (
    (100, 190), (200, 70), (500, 190), (508, 60), (580, 35), (600, 15), (660, 30), (800, 20), (880, 45),
    (1000, 170), (1314, 25), (1880, 15), (2000, 70), (3000, 14), (5000, 34), (5200, 5), (6600, 4), (8800, 3),
    (10000, 14), (20000, 3), (50000, 1),
)  # fmt: skip
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
MESSAGES = (
    "愿每一次心跳都被守护", "为家乡加油", "希望用不到，但必须有", "生命至上", "支持红十字", "平安承德",
    "一点心意", "人人学急救，急救为人人", "谢谢你们", "守护生命，博爱同行",
)  # fmt: skip
SUFFIXES = ("阳光", "小城", "热河", "山庄", "清风", "武烈河", "塞罕", "星星", "月亮", "云朵")
EXTRA_FEN = 40


@dataclass(frozen=True)
class GiftPlan:
    """What a file should hold: how many gifts, their exact sum in fen, over which days."""

    seed: str
    prefix: str
    count: int
    total_fen: int
    first_day: datetime
    day_weights: tuple[int, ...]
    project: str


def amounts(plan: GiftPlan) -> list[int]:
    """Return amounts in fen that look given by people and sum to exactly the plan's total."""
    rng = random.Random(plan.seed)  # noqa: S311  invented data, the same every time
    kinds, weights = zip(*COMMON_FEN, strict=True)
    chosen = rng.choices(kinds, weights=weights, k=plan.count)
    difference = plan.total_fen - sum(chosen)
    while difference:
        place = rng.randrange(plan.count)
        other = rng.choice(kinds)
        step = other - chosen[place]
        if abs(difference - step) < abs(difference):
            chosen[place], difference = other, difference - step
        elif abs(difference) <= EXTRA_FEN * 100 and chosen[place] + difference > 0:
            chosen[place], difference = chosen[place] + difference, 0
    return chosen


def rows(plan: GiftPlan) -> Iterator[tuple[str, str, str, str, str, str, str]]:
    """Yield the lines of the file in the order of payment."""
    values = amounts(plan)
    rng = random.Random(plan.seed + "people")  # noqa: S311
    days = rng.choices(range(len(plan.day_weights)), weights=plan.day_weights, k=plan.count)
    times = sorted(plan.first_day + timedelta(days=day, seconds=_second(rng)) for day in days)
    for index, (fen, at) in enumerate(zip(values, times, strict=True)):
        yield (
            f"{plan.prefix}{index:06d}{rng.randrange(10**4):04d}",
            f"{at.astimezone(clock.SHANGHAI):%Y-%m-%d %H:%M:%S}",
            _name(rng),
            f"{fen // 100}.{fen % 100:02d}",
            rng.choice(MESSAGES) if rng.random() < 0.04 else "",
            plan.project,
            "支付成功",
        )


def gift_file(plan: GiftPlan) -> bytes:
    """Return the CSV file of a plan."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["捐赠编号", "捐赠时间", "捐赠人", "捐赠金额(元)", "留言", "项目名称", "状态"])
    writer.writerows(rows(plan))
    return text.getvalue().encode("utf-8-sig")


def _second(rng: random.Random) -> int:
    """A second of the day: people give from breakfast to late evening, most after nine."""
    return int(min(86_399, max(0, rng.gauss(14.5, 4.2) * 3600)))


def _name(rng: random.Random) -> str:
    shape = rng.random()
    if shape < 0.55:
        return ""
    if shape < 0.8:
        return f"{rng.choice(SURNAMES)}**"
    return f"{rng.choice(SUFFIXES)}{rng.randrange(10, 1000)}"
