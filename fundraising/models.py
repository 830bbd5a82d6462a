"""Every table of the product, for migrations and tests."""

from fundraising.accounts import models as accounts
from fundraising.audit import models as audit
from fundraising.campaigns import models as campaigns
from fundraising.equipment import models as equipment
from fundraising.files import models as files
from fundraising.floods import models as floods
from fundraising.funds import models as funds
from fundraising.giving import import_models as gift_imports
from fundraising.giving import models as giving
from fundraising.giving.counter import models as counter
from fundraising.giving.mandates import models as mandates
from fundraising.giving.matching import models as matching
from fundraising.goods import models as goods
from fundraising.ledger import models as ledger
from fundraising.mail import models as mail
from fundraising.outbox import models as outbox
from fundraising.payments import models as payments
from fundraising.payments import reconciliation_models as reconciliation
from fundraising.payments import statement_models as statements
from fundraising.payments.platforms import models as platforms
from fundraising.procurement import models as procurement
from fundraising.programmes import models as programmes
from fundraising.receipts import models as receipts
from fundraising.receipts.fiscal import models as fiscal

ALL = (
    accounts,
    audit,
    campaigns,
    counter,
    equipment,
    files,
    fiscal,
    floods,
    funds,
    gift_imports,
    giving,
    goods,
    ledger,
    mail,
    mandates,
    matching,
    outbox,
    payments,
    platforms,
    procurement,
    programmes,
    receipts,
    reconciliation,
    statements,
)
