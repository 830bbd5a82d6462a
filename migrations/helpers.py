"""What several migrations share."""

from alembic import context, op


def make_append_only(table: str) -> None:
    """Let nobody update, delete or truncate: the application loses the right, a trigger stops the owner."""
    app = context.config.attributes["app_role"]
    op.execute(f'REVOKE UPDATE, DELETE, TRUNCATE ON "{table}" FROM "{app}"')
    op.execute(
        f'CREATE TRIGGER "{table}_append_only" BEFORE UPDATE OR DELETE ON "{table}" '
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f'CREATE TRIGGER "{table}_no_truncate" BEFORE TRUNCATE ON "{table}" '
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def make_undeletable(table: str) -> None:
    """Let nobody delete or truncate; what may be updated is a matter of the table's own trigger."""
    app = context.config.attributes["app_role"]
    op.execute(f'REVOKE DELETE, TRUNCATE ON "{table}" FROM "{app}"')
    op.execute(
        f'CREATE TRIGGER "{table}_no_delete" BEFORE DELETE ON "{table}" '
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f'CREATE TRIGGER "{table}_no_truncate" BEFORE TRUNCATE ON "{table}" '
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
