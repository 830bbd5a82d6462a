"""The journal: written once, balanced by the database."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.helpers import make_append_only, make_undeletable

revision = "0002"
down_revision = "0001b"
branch_labels = None
depends_on = None

CHART = (
    ("1001", "asset", "现金", "Cash on hand"),
    ("1002", "asset", "银行存款", "Bank account"),
    ("1009", "asset", "其他货币资金", "Money at payment providers"),
    ("1009.01", "asset", "其他货币资金—微信支付", "Clearing: WeChat Pay"),
    ("1009.02", "asset", "其他货币资金—公益宝", "Clearing: Gongyibao platform"),
    ("1201", "asset", "存货", "Goods in stock"),
    ("2202", "liability", "应付账款", "Suppliers to be paid"),
    ("2209", "liability", "其他应付款", "Other payables"),
    ("2209.01", "liability", "其他应付款—待查款", "Suspense: money to be looked into"),
    ("2209.02", "liability", "其他应付款—待退重复款", "Unapplied: second payments"),
    ("3101", "net_assets", "非限定性净资产", "Unrestricted net assets"),
    ("3102", "net_assets", "限定性净资产", "Restricted net assets"),
    ("4101.01", "income", "捐赠收入—非限定性", "Gifts, unrestricted"),
    ("4101.02", "income", "捐赠收入—限定性", "Gifts, restricted"),
    ("5101", "expense", "业务活动成本", "Programme costs"),
    ("5201", "expense", "管理费用", "Administrative costs"),
    ("5301", "expense", "筹资费用", "Fundraising costs and fees"),
)
ENTRY_IS_WHOLE = """
CREATE FUNCTION ledger_entry_is_whole() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger_posting WHERE entry_id = NEW.id) THEN
        RAISE EXCEPTION 'entry % has no postings', NEW.key USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""
POSTINGS_BALANCE = """
CREATE FUNCTION ledger_postings_balance() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    faulty text;
BEGIN
    SELECT e.key INTO faulty
    FROM (SELECT DISTINCT entry_id FROM added) AS a
    JOIN ledger_entry e ON e.id = a.entry_id -- by index, whatever the table's size was when this was planned
    CROSS JOIN LATERAL (
        SELECT sum(n) AS n, bool_and(total = 0) AS balanced
        FROM (SELECT count(*) AS n, sum(amount_minor) AS total
              FROM ledger_posting WHERE entry_id = e.id GROUP BY currency) AS by_currency
    ) AS p
    WHERE p.n <> e.posting_count OR NOT p.balanced
    LIMIT 1;
    IF faulty IS NOT NULL THEN
        RAISE EXCEPTION 'entry % is not balanced, or has another number of postings than it says', faulty
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""
PERIOD_GOES_ON = """
CREATE FUNCTION ledger_period_goes_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.period <> OLD.period OR NEW.last_voucher < OLD.last_voucher
        OR (OLD.closed_at IS NOT NULL AND NEW IS DISTINCT FROM OLD)
    THEN
        RAISE EXCEPTION 'the month % is not opened again, and its vouchers are not numbered again', OLD.period
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""
PERIOD_IS_OPEN = """
CREATE FUNCTION ledger_period_is_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added JOIN ledger_period USING (period) WHERE closed_at IS NOT NULL) THEN
        RAISE EXCEPTION 'the month is closed' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "ledger_account",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", postgresql.JSONB(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "type IN ('asset', 'liability', 'net_assets', 'income', 'expense')",
            name=op.f("ck_ledger_account_type_known"),
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_ledger_account")),
    )
    op.create_table(
        "ledger_period",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("last_voucher", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "period ~ '^[0-9]{4}-[0-9]{2}$'", name=op.f("ck_ledger_period_period_form")
        ),
        sa.PrimaryKeyConstraint("period", name=op.f("pk_ledger_period")),
    )
    op.create_table(
        "ledger_total",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("posting_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_total")),
        sa.UniqueConstraint(
            "fund_id",
            "account",
            "currency",
            "kind",
            name="uq_ledger_total_group",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "ledger_total_delta",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("posting_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_total_delta")),
    )
    op.create_index(
        op.f("ix_ledger_total_delta_fund_id"), "ledger_total_delta", ["fund_id"], unique=False
    )
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("voucher_no", sa.Integer(), nullable=False),
        sa.Column("posting_count", sa.SmallInteger(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.Column("reason", postgresql.JSONB(), nullable=True),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.CheckConstraint("posting_count >= 2", name=op.f("ck_ledger_entry_two_postings_or_more")),
        sa.ForeignKeyConstraint(
            ["period"], ["ledger_period.period"], name=op.f("fk_ledger_entry_period")
        ),
        sa.ForeignKeyConstraint(
            ["reverses_id"], ["ledger_entry.id"], name=op.f("fk_ledger_entry_reverses_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint("key", name=op.f("uq_ledger_entry_key")),
        sa.UniqueConstraint("period", "voucher_no", name=op.f("uq_ledger_entry_period_voucher_no")),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_ledger_entry_reverses_id")),
    )
    op.create_index("ix_ledger_entry_fund", "ledger_entry", ["fund_id", "id"], unique=False)
    op.create_index("ix_ledger_entry_kind", "ledger_entry", ["kind", "id"], unique=False)
    op.create_table(
        "ledger_posting",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_ledger_posting_amount_not_zero")),
        sa.ForeignKeyConstraint(
            ["account"], ["ledger_account.code"], name=op.f("fk_ledger_posting_account")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entry.id"], name=op.f("fk_ledger_posting_entry_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", "line", name=op.f("pk_ledger_posting")),
    )
    op.create_index(
        "ix_ledger_posting_account", "ledger_posting", ["account", "entry_id"], unique=False
    )
    op.execute(ENTRY_IS_WHOLE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER ledger_entry_whole AFTER INSERT ON ledger_entry "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_is_whole()"
    )
    op.execute(POSTINGS_BALANCE)
    op.execute(
        "CREATE TRIGGER ledger_posting_balance AFTER INSERT ON ledger_posting "
        "REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_postings_balance()"
    )
    op.execute(PERIOD_IS_OPEN)
    op.execute(
        "CREATE TRIGGER ledger_entry_period AFTER INSERT ON ledger_entry "
        "REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_period_is_open()"
    )
    op.execute(PERIOD_GOES_ON)
    op.execute(
        "CREATE TRIGGER ledger_period_goes_on BEFORE UPDATE ON ledger_period "
        "FOR EACH ROW EXECUTE FUNCTION ledger_period_goes_on()"
    )
    make_undeletable("ledger_period")
    make_append_only("ledger_entry")
    make_append_only("ledger_posting")
    accounts = sa.table(
        "ledger_account",
        sa.column("code"),
        sa.column("name", postgresql.JSONB()),
        sa.column("type"),
    )
    op.bulk_insert(
        accounts,
        [
            {"code": code, "name": {"zh": zh, "en": en}, "type": kind}
            for code, kind, zh, en in CHART
        ],
    )


def downgrade() -> None:
    op.drop_table("ledger_posting")
    op.drop_table("ledger_entry")
    op.drop_table("ledger_total_delta")
    op.drop_table("ledger_total")
    op.drop_table("ledger_period")
    op.drop_table("ledger_account")
    for function in (
        "ledger_entry_is_whole",
        "ledger_postings_balance",
        "ledger_period_is_open",
        "ledger_period_goes_on",
    ):
        op.execute(f"DROP FUNCTION {function}")
