"""Builds the demonstration through the services that staff use, in the order in which it happened."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from uuid import UUID

from flask_security import hash_password

from config import Settings
from fundraising import clock
from fundraising.accounts import service as accounts
from fundraising.campaigns import service as campaigns
from fundraising.campaigns.models import Campaign, CampaignState
from fundraising.campaigns.service import CampaignFacts
from fundraising.database import Text2, db, transaction
from fundraising.demo import PASSWORD, STAFF, papers
from fundraising.demo.gifts import GiftPlan, gift_file
from fundraising.demo.places import PLACES, Place
from fundraising.equipment import acceptance as devices_in
from fundraising.equipment import service as equipment
from fundraising.equipment.models import Device
from fundraising.equipment.service import NewInstallation
from fundraising.errors import DomainError
from fundraising.files import service as files
from fundraising.giving import import_batches, platform_payouts
from fundraising.i18n import lazy_gettext as _l
from fundraising.ledger import service as ledger
from fundraising.money import Money
from fundraising.payments import statements
from fundraising.payments.statements import NewBankLine
from fundraising.procurement import acceptance, payouts, suppliers
from fundraising.procurement import queries as purchases
from fundraising.procurement import service as procurement
from fundraising.procurement.models import DocumentKind, Purchase
from fundraising.procurement.service import NewLine
from fundraising.programmes import service as programmes

RAISED_FEN = 39_360_000
GIFTS = 29_846
FEE_FEN = 236_160
AED_FEN, CABINET_FEN, TRAINING_FEN = 1_050_000, 62_000, 1_315_840
TRAINED = 7_471
OPEN_RAISED_FEN, OPEN_GIFTS = 7_420_640, 5_613
PLATFORM = "gongyibao"
BANK_ACCOUNT = "演示-130800-0001"
AED: Text2 = {"zh": "自动体外除颤器（AED）", "en": "Automated external defibrillator (AED)"}
SESSION_TITLES: tuple[Text2, ...] = (
    {"zh": "高校救护员培训", "en": "Rescuer course for university students"},
    {"zh": "社区应急救护培训", "en": "First-aid course in a community"},
    {"zh": "机关单位救护培训", "en": "First-aid course for public offices"},
    {"zh": "企业安全员救护培训", "en": "First-aid course for companies"},
)
SESSION_PLACES: tuple[Text2, ...] = (
    {"zh": "市救护培训基地", "en": "City First-Aid Training Base"},
    {"zh": "河北民族师范学院", "en": "Hebei Normal University for Nationalities"},
    {"zh": "承德医学院", "en": "Chengde Medical University"},
    {"zh": "双桥区社区服务中心", "en": "Shuangqiao community centre"},
)
SESSIONS = 46


class DemonstrationRefused(DomainError):
    """Invented data does not belong among real data."""

    code = "demonstration_refused"
    message = _l("The demonstration is refused in production.")


class People:
    """The staff of the demonstration, by role."""

    def __init__(self, ids: dict[str, UUID]) -> None:
        self.editor, self.buyer = ids["campaign_editor"], ids["buyer"]
        self.finance, self.installer = ids["finance"], ids["installer"]
        self.admin = ids["administrator"]


def load(settings: Settings) -> Iterator[str]:
    """Build everything, saying what was built.

    Raises:
        DemonstrationRefused: in production.
    """
    if settings.is_production:
        raise DemonstrationRefused
    people = _staff()
    yield "演示 demonstration: staff"
    yield from _case_of_2024(people)
    yield from _open_campaign(people)
    with transaction():
        ledger.fold_totals()


def _staff() -> People:
    ids: dict[str, UUID] = {}
    hashed = hash_password(PASSWORD)
    with transaction():
        for email, role, name in STAFF:
            known = accounts.find(email)
            user = known or accounts.create(email, role, name=name, password_hash=hashed)
            ids[role] = user.id
    return People(ids)


# ---------------------------------------------------------------------- 2024


def _case_of_2024(people: People) -> Iterator[str]:
    with transaction():
        campaign = campaigns.create("aed-2024", _facts_2024(), people.editor, is_demo=True)
        campaigns.move(campaign, CampaignState.OPEN, people.editor)
    plan = GiftPlan(
        "aed-2024",
        "GYB24",
        GIFTS,
        RAISED_FEN,
        _at(2024, 5, 6, 0),
        (1, 3, 7, 4, 2),
        "守护生命 博爱AED",
    )
    yield _gifts(campaign, plan, people)
    _payout(people)
    purchase = _purchase(campaign, people)
    devices = _receive(purchase, people)
    _pay(purchase, people)
    yield f"aed-2024: {len(devices)} AEDs bought"
    for index, (device, place) in enumerate(zip(devices, PLACES, strict=True)):
        _hang(device, place, index, people)
    yield f"aed-2024: {len(PLACES)} AEDs installed"
    _train(campaign, people)
    yield f"aed-2024: {TRAINED} people trained"
    _tell_2024(campaign, people)
    with transaction():
        db.session.add(campaign)
        campaigns.move(campaign, CampaignState.ENDED, people.editor)
        campaigns.move(campaign, CampaignState.COMPLETED, people.editor)


def _gifts(campaign: Campaign, plan: GiftPlan, people: People) -> str:
    name = f"公益宝-{campaign.slug}-演示.csv"
    done = import_batches.take_over(campaign, PLATFORM, gift_file(plan), name, people.finance)
    return f"{campaign.slug}: {done.new_count} gifts, {Money(done.amount_fen).decimal()} yuan"


def _payout(people: People) -> None:
    """The platform's lump sum on the bank statement, and the fee it kept."""
    with transaction():
        line = NewBankLine(
            "DEMO-2024052000017",
            _at(2024, 5, 20, 10),
            Money(RAISED_FEN - FEE_FEN),
            "公益宝（演示）",
            "善款结算",
        )
        statements.import_lines(BANK_ACCOUNT, [line])
        found = statements.find(BANK_ACCOUNT, line.serial)
        waiting = [batch.id for batch in platform_payouts.waiting(PLATFORM)]
        platform_payouts.close(PLATFORM, found.id, waiting, Money(FEE_FEN), people.finance)


def _purchase(campaign: Campaign, people: People) -> Purchase:
    lines = [
        NewLine(AED, 34, AED_FEN, is_device=True, model="演示型 HeartGuard A1"),
        NewLine({"zh": "AED 壁挂柜与标识", "en": "Wall cabinets and signs"}, 34, CABINET_FEN),
        NewLine({"zh": "救护培训耗材与教材", "en": "Training materials"}, 1, TRAINING_FEN),
    ]
    with transaction():
        seller = suppliers.supplier("承德演示医疗器械有限公司", credit_code="91130800DEMO00001X")
        title = {"zh": "34 台 AED 及配套采购", "en": "34 AEDs with what goes with them"}
        purchase = procurement.create(
            campaign, seller, title, lines, people.buyer, at=_at(2024, 6, 3, 9)
        )
        total = sum(line.quantity * line.unit_price_fen for line in lines)
        for kind, name in ((DocumentKind.CONTRACT, "采购合同"), (DocumentKind.INVOICE, "发票")):
            rows = [
                ("供应商", seller.name),
                ("内容", title["zh"]),
                ("金额", f"¥{total / 100:,.2f}"),
            ]
            data = papers.paper(f"{name}（演示）", purchase.number, rows, ("甲方", "乙方"))
            procurement.attach(purchase, kind, data, f"{name}-演示.pdf", people.buyer)
    with transaction():
        procurement.submit(purchase, people.buyer, at=_at(2024, 6, 4, 9))
    with transaction():
        procurement.approve(purchase, people.finance, at=_at(2024, 6, 6, 15))
    return purchase


def _receive(purchase: Purchase, people: People) -> list[Device]:
    day = date(2024, 7, 15)
    with transaction():
        aed, cabinets, training = purchases.lines(purchase.id)
        serials = [f"HGA1-2406-{n:05d}" for n in range(10231, 10231 + 34)]
        devices = devices_in.accept(aed.id, serials, people.buyer, on=day)
        acceptance.accept(cabinets.id, 34, people.buyer, at=_at(2024, 7, 15, 11))
        acceptance.accept(training.id, 1, people.buyer, at=_at(2024, 7, 15, 11))
    return devices


def _pay(purchase: Purchase, people: People) -> None:
    with transaction():
        amount = Money(RAISED_FEN - FEE_FEN)
        payment = payouts.prepare_payment(
            purchase, amount, date(2024, 7, 30), "DEMO-PAY-0730", people.buyer
        )
    with transaction():
        payouts.decide_payment(payment.id, people.finance, is_approved=True)


def _hang(device: Device, place: Place, index: int, people: People) -> None:
    day = date(2024, 8, 1) + timedelta(days=index % 30)
    with transaction():
        db.session.add(device)
        where = NewInstallation(
            place={"zh": place.zh, "en": place.en},
            address=f"承德市{place.county}{place.zh}",
            county=place.county,
            lat=place.lat,
            lon=place.lon,
            floor={"zh": place.floor_zh, "en": place.floor_en},
            hours=place.hours,
            keeper=place.keeper,
            installed_on=day,
        )
        note = papers.handover_note(place, device.no, device.serial, day.isoformat())
        equipment.install(
            device, where, papers.installation_photo(place, device.no), note, people.installer
        )
        equipment.inspect(
            device,
            clock.today() - timedelta(days=index % 20),
            people.installer,
            is_passed=True,
            note="演示：电量正常，电极片在有效期内。",
            pads_expire_on=clock.today() + timedelta(days=400 + index),
            battery_expires_on=clock.today() + timedelta(days=900 + index),
        )


def _train(campaign: Campaign, people: People) -> None:
    sizes = Money(TRAINED).split([3 + n % 5 for n in range(SESSIONS)])
    with transaction():
        for index, size in enumerate(sizes):
            session = programmes.record(
                campaign.id,
                SESSION_TITLES[index % len(SESSION_TITLES)],
                SESSION_PLACES[index % len(SESSION_PLACES)],
                date(2024, 5, 11) + timedelta(days=4 * index),
                size.minor,
                people.editor,
            )
            programmes.confirm(session.id, people.admin)


def _tell_2024(campaign: Campaign, people: People) -> None:
    stories: tuple[tuple[Text2, Text2], ...] = (
        (
            {"zh": "近三万人次捐赠，筹款 39.36 万元", "en": "Nearly 30,000 gifts, 393,600 yuan"},
            {"zh": "5·8 人道公益日期间，近三万人次通过公益宝参与捐赠。谢谢每一位！", "en": "Around the 5·8 giving days nearly 30,000 gifts came through the platform Gongyibao. Thank you, everyone!"},
        ),
        (
            {"zh": "34 台 AED 完成采购与验收", "en": "34 AEDs bought and accepted"},
            {"zh": "合同、发票与每台设备的序列号均可在本页查看。（演示数据）", "en": "Contract, invoice and the serial number of each device can be seen on this page. (Demonstration data)"},
        ),
        (
            {"zh": "34 台 AED 全部装进公共场所", "en": "All 34 AEDs hang in public places"},
            {"zh": "车站、景区、政务大厅、学校，都有了守护心跳的设备；同时培训救护员 7471 人。", "en": "Stations, sights, service halls: each has a device that guards a heartbeat. 7,471 rescuers were trained as well."},
        ),
    )  # fmt: skip
    for title, body in stories:
        with transaction():
            update = campaigns.write_update(campaign, title, body, people.editor)
            campaigns.publish_update(update, people.editor)


def _facts_2024() -> CampaignFacts:
    return CampaignFacts(
        title={"zh": "守护生命 博爱AED", "en": "Guard lives: an AED where people are"},
        summary={
            "zh": "为承德的公共场所配置自动体外除颤器，并培训会用它的人。",
            "en": "Automated defibrillators for the public places of Chengde, and people trained to use them.",
        },
        story={
            "zh": "心脏骤停时，每耽误一分钟，生还的机会就减少 7% 到 10%。\n\n2024 年，承德市红十字会首次独立发起线上公募项目，把一份份平均 13 元的善款，变成车站、景区、政务大厅里的 34 台 AED，也变成 7471 位会急救的人。",
            "en": "When a heart stops, every minute lost costs 7 to 10 percent of the chance to survive.\n\nIn 2024 the Chengde Red Cross ran its first online campaign of its own. Gifts of about 13 yuan became 34 AEDs in stations, sights and service halls, and 7,471 people who know what to do.",
        },
        goal_fen=RAISED_FEN,
        unit_price_fen=1_157_600,
        unit_name={"zh": "台 AED", "en": "AED"},
        starts_on=date(2024, 5, 1),
        ends_on=date(2024, 5, 31),
        filing_no="演示-53130800MJ0000000A-24001",
        certificate_no="演示-冀红募-2024-001",
        platform_name={"zh": "公益宝", "en": "Gongyibao"},
        platform_url="https://www.example.org/gongyibao/aed-2024",
        complaint_contact={"zh": "0314-0000000（演示）", "en": "+86 314 000 0000 (demo)"},
        completed_note={
            "zh": "善款已全部用完，每一分钱都能在下面查到。",
            "en": "All of it has been spent; every fen stands below.",
        },
    )


# ---------------------------------------------------------------------- the open campaign


def _open_campaign(people: People) -> Iterator[str]:
    today = clock.today()
    begun = datetime.combine(today - timedelta(days=12), datetime.min.time(), clock.SHANGHAI)
    with transaction():
        campaign = campaigns.create("aed-2025", _facts_2025(today), people.editor, is_demo=True)
        image = files.store_photo(papers.campaign_picture(), "aed-2025.png")
        campaigns.set_image(campaign, image.id, people.editor)
        campaigns.move(campaign, CampaignState.OPEN, people.editor)
    plan = GiftPlan(
        "aed-2025",
        "GYB25",
        OPEN_GIFTS,
        OPEN_RAISED_FEN,
        begun,
        (3, 5, 2, 1, 1, 2, 1, 1, 1, 2, 1),
        "守护生命 博爱AED 二期",
    )
    yield _gifts(campaign, plan, people)
    with transaction():
        update = campaigns.write_update(
            campaign,
            {"zh": "二期开始了：让下一台 AED 离您更近", "en": "The second round begins"},
            {"zh": "一期的 34 台设备都在岗。二期计划再装 20 台，优先乡镇车站和学校。（演示）", "en": "The 34 devices of the first round are in service. The second shall add 20, first in village stations and schools. (Demonstration)"},
            people.editor,
        )  # fmt: skip
        campaigns.publish_update(update, people.editor)


def _facts_2025(today: date) -> CampaignFacts:
    return CampaignFacts(
        title={"zh": "守护生命 博爱AED 二期（演示）", "en": "Guard lives, second round (demo)"},
        summary={
            "zh": "再装 20 台 AED，优先乡镇车站和学校。您可以在这里试着捐一笔：付款是模拟的。",
            "en": "Twenty more AEDs, first in village stations and schools. Try a gift here: the payment is simulated.",
        },
        story={
            "zh": "这是演示项目，用来体验从捐赠、付款、记账、采购到安装的全过程。\n\n捐出的每一分钱，都会在您的专属页面上显示去向。",
            "en": "This campaign is a demonstration of the whole way from gift and payment to books, purchase and installation.\n\nWhere each fen went stands on a page of your own.",
        },
        goal_fen=23_000_000,
        unit_price_fen=1_150_000,
        unit_name={"zh": "台 AED", "en": "AED"},
        starts_on=today - timedelta(days=14),
        ends_on=today + timedelta(days=60),
        filing_no="演示-53130800MJ0000000A-25001",
        certificate_no="演示-冀红募-2024-001",
        platform_name={"zh": "公益宝", "en": "Gongyibao"},
        platform_url="https://www.example.org/gongyibao/aed-2025",
        complaint_contact={"zh": "0314-0000000（演示）", "en": "+86 314 000 0000 (demo)"},
    )


def _at(year: int, month: int, day: int, hour: int) -> datetime:
    return datetime(year, month, day, hour, tzinfo=clock.SHANGHAI)
