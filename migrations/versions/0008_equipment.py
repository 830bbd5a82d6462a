"""Devices, installations, inspections, fault reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "device_year",
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_device_year")),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("no", sa.Text(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("purchase_line_id", sa.Uuid(), nullable=False),
        sa.Column("unit_no", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("cost_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("accepted_on", sa.Date(), nullable=False),
        sa.Column("accepted_by", sa.Uuid(), nullable=False),
        sa.Column("state_note", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('accepted', 'installed', 'out_of_service', 'removed')",
            name=op.f("ck_device_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["accepted_by"], ["account_user.id"], name=op.f("fk_device_accepted_by")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name=op.f("fk_device_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["purchase_line_id"], ["purchase_line.id"], name=op.f("fk_device_purchase_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device")),
        sa.UniqueConstraint("no", name=op.f("uq_device_no")),
        sa.UniqueConstraint(
            "purchase_line_id", "unit_no", name=op.f("uq_device_purchase_line_id_unit_no")
        ),
        sa.UniqueConstraint("serial", name=op.f("uq_device_serial")),
    )
    op.create_index("ix_device_campaign", "device", ["campaign_id", "no"], unique=False)
    op.create_table(
        "device_fault_report",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('missing', 'alarm', 'damaged', 'used', 'wrong_facts', 'other')",
            name=op.f("ck_device_fault_report_kind_known"),
        ),
        sa.ForeignKeyConstraint(
            ["closed_by"], ["account_user.id"], name=op.f("fk_device_fault_report_closed_by")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_device_fault_report_device_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_fault_report")),
    )
    op.create_index(
        "ix_device_fault_report_open",
        "device_fault_report",
        ["reported_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "inspection",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("inspected_on", sa.Date(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("pads_expire_on", sa.Date(), nullable=True),
        sa.Column("battery_expires_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("photo_file_id", sa.Uuid(), nullable=True),
        sa.Column("inspected_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT passed OR (coalesce(pads_expire_on, 'infinity') >= valid_until "
            "AND coalesce(battery_expires_on, 'infinity') >= valid_until)",
            name=op.f("ck_inspection_parts_outlive_validity"),
        ),
        sa.ForeignKeyConstraint(
            ["photo_file_id"], ["file.id"], name=op.f("fk_inspection_photo_file_id")
        ),
        sa.CheckConstraint(
            "valid_until >= inspected_on", name=op.f("ck_inspection_valid_after_inspection")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["device.id"], name=op.f("fk_inspection_device_id")),
        sa.ForeignKeyConstraint(
            ["inspected_by"], ["account_user.id"], name=op.f("fk_inspection_inspected_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection")),
    )
    op.create_index(
        "ix_inspection_device",
        "inspection",
        ["device_id", sa.literal_column("inspected_on DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("place", postgresql.JSONB(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("county", sa.Text(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("floor", postgresql.JSONB(), nullable=False),
        sa.Column("hours", sa.Text(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("is_indoor", sa.Boolean(), nullable=False),
        sa.Column("keeper", sa.Text(), nullable=False),
        sa.Column("keeper_role", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("source_datum", sa.Text(), nullable=False),
        sa.Column("photo_file_id", sa.Uuid(), nullable=False),
        sa.Column("handover_file_id", sa.Uuid(), nullable=False),
        sa.Column("installed_on", sa.Date(), nullable=False),
        sa.Column("installed_by", sa.Uuid(), nullable=False),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "ended_on >= installed_on", name=op.f("ck_installation_ends_after_start")
        ),
        sa.CheckConstraint(
            "access IN ('yes', 'customers', 'permissive', 'private')",
            name=op.f("ck_installation_access_known"),
        ),
        sa.CheckConstraint(
            "lat BETWEEN -90 AND 90 AND lon BETWEEN -180 AND 180",
            name=op.f("ck_installation_on_earth"),
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["device.id"], name=op.f("fk_installation_device_id")
        ),
        sa.ForeignKeyConstraint(
            ["handover_file_id"], ["file.id"], name=op.f("fk_installation_handover_file_id")
        ),
        sa.ForeignKeyConstraint(
            ["installed_by"], ["account_user.id"], name=op.f("fk_installation_installed_by")
        ),
        sa.ForeignKeyConstraint(
            ["photo_file_id"], ["file.id"], name=op.f("fk_installation_photo_file_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_index("ix_installation_county", "installation", ["county"], unique=False)
    op.create_index(
        "uq_installation_current",
        "installation",
        ["device_id"],
        unique=True,
        postgresql_where=sa.text("ended_on IS NULL"),
    )


def downgrade() -> None:
    op.drop_table("installation")
    op.drop_table("inspection")
    op.drop_table("device_fault_report")
    op.drop_table("device")
    op.drop_table("device_year")
