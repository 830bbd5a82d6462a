"""Buys, accepts, hangs and inspects devices for tests, through the services that staff use."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from typing import Any

from PIL import Image
from sqlalchemy.orm import Session

from fundraising import clock
from fundraising.accounts.models import User
from fundraising.campaigns.models import Campaign
from fundraising.equipment import service as equipment
from fundraising.equipment.models import Device
from fundraising.equipment.service import NewInstallation
from fundraising.procurement import queries as purchases
from fundraising.procurement import service as procurement
from fundraising.procurement.models import DocumentKind, Purchase
from fundraising.procurement.service import NewLine
from tests.factories import Make

PDF = b"%PDF-1.7\n%paper\n"
PRICE = 1_157_600
_serials = count(1)


def photo(color: str = "#ddeeff") -> bytes:
    """A small JPEG with a place in its metadata, as a telephone writes it."""
    picture = Image.new("RGB", (120, 90), color)
    exif = Image.Exif()
    exif[0x010F] = "CameraMaker"
    exif.get_ifd(0x8825)[1] = "N"
    data = io.BytesIO()
    picture.save(data, "JPEG", exif=exif)
    return data.getvalue()


def place(**other: Any) -> NewInstallation:
    """A place in the middle of Chengde."""
    facts: dict[str, Any] = {
        "place": {"zh": "避暑山庄丽正门游客中心", "en": "Lizheng Gate visitor centre"},
        "address": "丽正门大街 20 号",
        "county": "双桥区",
        "lat": 40.9868,
        "lon": 117.9392,
        "floor": {"zh": "一层大厅服务台旁", "en": "Ground floor, beside the desk"},
        "hours": "07:00-18:00",
        "keeper": "山庄景区安保部",
        "installed_on": clock.today(),
    }
    return NewInstallation(**(facts | other))


@dataclass
class Workshop:
    """A campaign with money, a buyer, a second person and an installer."""

    session: Session
    make: Make
    make_staff: Callable[..., User]
    money: int = 10_000_000
    campaign: Campaign = field(init=False)
    buyer: User = field(init=False)
    approver: User = field(init=False)
    installer: User = field(init=False)

    def __post_init__(self) -> None:
        self.campaign = self.make.campaign()
        self.make.money(self.campaign.fund_id, *[self.money // 4] * 4)
        self.buyer, self.approver = self.make_staff("buyer"), self.make_staff("finance")
        self.installer = self.make_staff("installer")
        self.commit()

    def commit(self) -> None:
        """Keep what was made, whatever a refused request rolls back."""
        self.session.commit()

    def draft(self, quantity: int = 2, price: int = PRICE, *, is_device: bool = True) -> Purchase:
        """A draft with one line and no papers."""
        seller = procurement.supplier("承德某医疗器械公司（测试）")
        line = NewLine({"zh": "自动体外除颤器", "en": "AED"}, quantity, price, is_device, "M-1")
        made = procurement.create(
            self.campaign, seller, {"zh": "采购", "en": "Purchase"}, [line], self.buyer.id
        )
        self.commit()
        return made

    def submitted(
        self, quantity: int = 2, price: int = PRICE, *, is_device: bool = True
    ) -> Purchase:
        """A purchase that waits for approval."""
        purchase = self.draft(quantity, price, is_device=is_device)
        procurement.attach(purchase, DocumentKind.CONTRACT, PDF, "contract.pdf", self.buyer.id)
        procurement.submit(purchase, self.buyer.id)
        self.commit()
        return purchase

    def approved(
        self, quantity: int = 2, price: int = PRICE, *, is_device: bool = True
    ) -> Purchase:
        """An approved purchase with contract and invoice."""
        purchase = self.submitted(quantity, price, is_device=is_device)
        procurement.attach(purchase, DocumentKind.INVOICE, PDF, "invoice.pdf", self.buyer.id)
        procurement.approve(purchase, self.approver.id)
        self.commit()
        return purchase

    def accepted(self, quantity: int = 1) -> list[Device]:
        """Devices that were bought and accepted."""
        line = purchases.lines(self.approved(quantity).id)[0]
        serials = [f"SN-{next(_serials):06d}" for _ in range(quantity)]
        devices = equipment.accept(line.id, serials, self.installer.id)
        self.commit()
        return devices

    def installed(self, **where: Any) -> Device:
        """A device that hangs at a place and is not inspected yet."""
        device = self.accepted()[0]
        equipment.install(device, place(**where), photo(), PDF, self.installer.id)
        self.commit()
        return device

    def in_service(self, on: date | None = None, **where: Any) -> Device:
        """A device that passed its inspection."""
        device = self.installed(**where)
        equipment.inspect(device, on or clock.today(), self.installer.id, is_passed=True)
        self.commit()
        return device
