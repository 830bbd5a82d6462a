"""Roles: the owner migrates, the application reads and writes, the reader reads."""

from alembic import context, op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    roles = context.config.attributes
    app, reader = roles["app_role"], roles["reader_role"]
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    op.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    op.execute(f'GRANT USAGE ON SCHEMA public TO "{app}"')
    op.execute(
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{app}"'
    )
    op.execute(
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO "{app}"'
    )
    op.execute(f'GRANT SELECT ON TABLE alembic_version TO "{app}"')
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{reader}') THEN
                GRANT USAGE ON SCHEMA public TO "{reader}";
                ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "{reader}";
            END IF;
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only: correct by a new row', TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """
    )


def downgrade() -> None:
    op.execute("DROP FUNCTION refuse_change")
