"""Operator commands: ``fundraising …``. Exit status 0 only when all is well; ``--json`` for programs."""

import gc

gc.disable()  # until everything is loaded: an eighth of what a command costs to start

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from flask_security import hash_password
from pydantic import ValidationError

import config
from fundraising import demo, logs, schema
from fundraising.accounts import invitations
from fundraising.accounts import service as accounts
from fundraising.accounts.roles import ROLES
from fundraising.app import create_app
from fundraising.campaigns import queries as campaigns
from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.demo import load as demo_load
from fundraising.equipment import county_map
from fundraising.errors import DomainError
from fundraising.giving import import_batches, imports, reconciling, transfers
from fundraising.ledger import checks
from fundraising.payments import (
    reconciliation,
    statement_files,
    statement_import,
    statements,
)
from fundraising.payments import service as payments
from fundraising.payments.platforms import queries as platforms

gc.enable()
COLLECT_EVERY = 100_000
"""A command that books a file of gifts makes many things that stay."""


@contextmanager
def application() -> Iterator[config.Settings]:
    """Open the application as the environment sets it up; refusals become one line and status 1."""
    try:
        settings = config.load()
    except ValidationError as bad:
        problems = "; ".join(
            f"{'.'.join(map(str, error['loc'])).upper()} {error['msg']}" for error in bad.errors()
        )
        raise click.ClickException(problems) from None
    logs.setup()
    app = create_app(settings)
    with app.app_context(), app.test_request_context("/", base_url=settings.public_url):
        try:
            yield settings
        except DomainError as refused:
            raise click.ClickException(f"{refused.message} {refused.extra or ''}".strip()) from None
        finally:
            db.session.remove()


@click.group()
def main() -> None:
    """Operate the fundraising platform."""
    gc.freeze()  # what is loaded stays
    gc.set_threshold(COLLECT_EVERY)


@main.group("db")
def database() -> None:
    """The database's schema."""


@database.command("upgrade")
@click.option("--revision", default="head")
def db_upgrade(revision: str) -> None:
    """Bring the schema to the newest version, as the owner (DATABASE_OWNER_URL)."""
    settings = config.load()
    owner = settings.database_owner_url or settings.database_url
    schema.upgrade(owner, settings.database_url, revision)
    click.echo(f"schema at {schema.head()}")


@database.command("check")
def db_check() -> None:
    """Fail when models and database differ."""
    settings = config.load()
    schema.check(settings.database_owner_url or settings.database_url, settings.database_url)


@main.group()
def books() -> None:
    """The books."""


@books.command("check")
@click.option("--json", "as_json", is_flag=True)
def books_check(as_json: bool) -> None:  # noqa: FBT001  click calls by name
    """Prove the books: balanced entries, zero trial balance, totals, tracing, devices."""
    with application():
        findings = checks.run_all()
        names = checks.names()
    if as_json:
        found = [{"check": f.check, "what": f.what} for f in findings]
        click.echo(
            json.dumps({"ok": not findings, "checks": names, "findings": found}, ensure_ascii=False)
        )
    else:
        for name in names:
            bad = [f.what for f in findings if f.check == name]
            click.echo(f"{'FAIL' if bad else 'ok  '} {name}")
            for what in bad:
                click.echo(f"       {what}")
    sys.exit(1 if findings else 0)


@main.group()
def staff() -> None:
    """Staff accounts."""


@staff.command("invite")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--name", default="")
def staff_invite(email: str, role: str, name: str) -> None:
    """Make an account, send its invitation, and print the link."""
    with application():
        with transaction():
            user = invitations.invite(email, role, name=name)
        click.echo(invitations.link(user))


@staff.command("create")
@click.argument("email")
@click.option("--role", type=click.Choice(ROLES), required=True)
@click.option("--name", default="")
def staff_create(email: str, role: str, name: str) -> None:
    """Make an account with a random password and print it once."""
    with application():
        password = secrets.token_urlsafe(12)
        with transaction():
            accounts.create(email, role, name=name, password_hash=hash_password(password))
        click.echo(password)


@main.command()
@click.option("--channel", required=True, help="A provider such as wechatpay.")
@click.option("--date", "day", required=True, type=click.DateTime(formats=["%Y-%m-%d"]))
@click.option("--json", "as_json", is_flag=True)
def reconcile(channel: str, day: datetime, as_json: bool) -> None:  # noqa: FBT001  click calls by name
    """Match a channel's day with its bill and the bank; again changes nothing."""
    with application():
        done = reconciling.run(payments.provider(channel), day.date())
    figures = {"state": done.state, "differences": done.differences, **done.sums}
    if as_json:
        click.echo(json.dumps({"channel": channel, "day": f"{day:%Y-%m-%d}", **figures}))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in figures.items()))
    sys.exit(0 if done.state == reconciliation.BALANCED else 1)


@main.group("import")
def import_() -> None:
    """Take over files of other platforms and banks."""


@import_.command("gifts")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--channel", "platform", required=True, help="Code of a registered platform.")
@click.option("--mapping", default="", help="Name of a saved mapping; the newest when left out.")
@click.option(
    "--campaign", default="", help="Slug of the campaign; may be left out while only one is open."
)
@click.option("--dry-run", is_flag=True)
@click.option("--json", "as_json", is_flag=True)
def import_gifts(
    file: Path, platform: str, mapping: str, campaign: str, *, dry_run: bool, as_json: bool
) -> None:
    """Take over a platform's gift file; importing it again changes nothing."""
    data = file.read_bytes()
    with application():
        into = _campaign(campaign)
        source = imports.read(data, file.name, platforms.mapping(platform, mapping))
        plan = imports.plan(into, source)
        if not dry_run and not plan.error_count:
            import_batches.take_over(into, platform, data, file.name, None, mapping)
        errors = [{"line": e.line, "problem": e.problem} for e in plan.errors]
        refunds = [
            {
                "line": r.row.line,
                "gift": r.row.number,
                "amount_fen": r.row.amount.minor,
                "state": r.state,
            }
            for r in plan.refunds
        ]
    if as_json:
        told = {**plan.summary(), "refused": errors, "refunded": refunds}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in plan.summary().items()))
        for error in errors:
            click.echo(f"line {error['line']}: {error['problem']}", err=True)
    sys.exit(1 if plan.error_count else 0)


def _campaign(slug: str) -> Campaign:
    """Return the campaign named, or the only one that is open."""
    if slug:
        return campaigns.get(slug)
    opened = [c for c in campaigns.list_public() if c.is_open]
    if len(opened) != 1:
        raise click.UsageError("Say --campaign SLUG: " + ", ".join(c.slug for c in opened))
    return opened[0]


@import_.command("bank")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--account", default="", help="Number or name of the bank account; else BANK_ACCOUNT_NUMBER."
)
@click.option("--mapping", default="", help="Name of a saved mapping of columns, for CSV.")
@click.option("--dry-run", is_flag=True, help="Say what would happen and keep nothing.")
def import_bank(file: Path, account: str, mapping: str, dry_run: bool) -> None:  # noqa: FBT001
    """Take over a bank statement (camt.053 or CSV); importing it again changes nothing."""
    with application() as settings:
        number = statement_import.normal_account(account or settings.bank_account_number or "main")
        with file.open("rb") as opened:
            data = opened.read(statement_files.MAX_BYTES + 1)
        read = statement_import.read(number, data, mapping)
        statements.require_whole(read)
        planned = statement_import.plan(number, read)
        taken = None
        if not dry_run:
            with transaction():
                taken = transfers.take_over(number, read.lines)
    click.echo(f"new: {len(planned.new)}\nknown: {len(planned.known)}")
    click.echo(
        f"changed: {len(planned.changed)}" if taken is None else f"gifts: {taken.settled_count}"
    )
    sys.exit(1 if planned.changed else 0)


@main.group("demo")
def demo_group() -> None:
    """The demonstration (refused in production)."""


@demo_group.command("load")
@click.option("--if-empty", is_flag=True, help="Do nothing when there is a campaign already.")
def load(if_empty: bool) -> None:  # noqa: FBT001
    """Build the Chengde case of 2024 and the open campaign through the services staff use."""
    with application() as settings:
        if if_empty and not schema.is_empty(settings.database_url):
            return
        for line in demo_load.load(settings):
            click.echo(line)


@demo_group.command("accounts")
def demo_accounts() -> None:
    """Print the sign-ins of the demonstration's staff."""
    for email, role, _name in demo.STAFF:
        click.echo(f"{email}  {demo.PASSWORD}  {role}")


@main.group("map")
def map_() -> None:
    """The map of the counties."""


@map_.command("build")
def map_build() -> None:
    """Write the outline of the counties into VAR_DIR/map."""
    click.echo(county_map.build(config.load().var_dir / "map"))


if __name__ == "__main__":
    main()
