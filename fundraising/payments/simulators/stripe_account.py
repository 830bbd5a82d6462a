"""An account in Stripe's simulator: sessions, payments, refunds, disputes, its balance and payouts."""

import json
import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from fundraising.payments.simulators.journal import Journal
from fundraising.payments.simulators.stripe_events import Courier

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (id TEXT PRIMARY KEY, kind TEXT NOT NULL, number TEXT NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, asked TEXT NOT NULL, status INTEGER NOT NULL,
    body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notices (id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, url TEXT NOT NULL,
    body TEXT NOT NULL, tries INTEGER NOT NULL, due REAL, answers TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS notices_due ON notices (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS objects_kind ON objects (kind, number);
"""
SHORTEST, LONGEST = 30 * 60, 24 * 3600
Found = dict[str, Any]


class Refused(Exception):
    """What the interface refuses, as its error says it."""

    def __init__(
        self,
        code: str,
        status: int = 400,
        kind: str = "invalid_request_error",
        *,
        stored: bool = False,
    ) -> None:
        super().__init__(code)
        self.code, self.status, self.kind, self.stored = code, status, kind, stored


class AccountJournal(Journal):
    """The simulator's own books: every object with its present state."""

    schema = SCHEMA

    def put(self, kind: str, number: str, body: Found) -> Found:
        """Write an object, new or changed."""
        self.run(
            "INSERT INTO objects (id, kind, number, body) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            body["id"], kind, number, json.dumps(body, ensure_ascii=False),
        )  # fmt: skip
        return body

    def get(self, number: str) -> Found:
        """Return an object by its number. Raises Refused."""
        rows = self.run("SELECT body FROM objects WHERE id = ?", number)
        if not rows:
            raise Refused("resource_missing", 404)
        found: Found = json.loads(rows[0]["body"])
        return found

    def all(self, kind: str, number: str | None = None) -> list[Found]:
        """Return the objects of a kind, and of an order, the newest first."""
        rows = self.run(
            "SELECT body FROM objects WHERE kind = ? AND (? IS NULL OR number = ?) ORDER BY rowid DESC",
            kind, number, number,
        )  # fmt: skip
        return [json.loads(row["body"]) for row in rows]

    def dump(self) -> dict[str, Any]:
        """Return everything, for comparing with the product's books."""
        kinds = {
            "orders": "session",
            "refunds": "refund",
            "disputes": "dispute",
            "payouts": "payout",
            "payments": "intent",
            "cards": "card",
        }
        told: dict[str, Any] = {"notices": [dict(r) for r in self.run("SELECT * FROM notices")]}
        for name, kind in kinds.items():
            rows = self.run("SELECT number, body FROM objects WHERE kind = ? ORDER BY rowid", kind)
            told[name] = [{"out_trade_no": r["number"], **json.loads(r["body"])} for r in rows]
        return told


class Account:
    """What happens at the account."""

    def __init__(
        self, journal: AccountJournal, courier: Courier, base_url: str, now: Callable[[], float]
    ) -> None:
        self.journal, self.courier, self.base_url, self.now = journal, courier, base_url, now

    def _new(self, prefix: str, kind: str, **values: Any) -> Found:
        made = f"{prefix}_{secrets.token_hex(12)}"
        return {"id": made, "object": kind, "livemode": False, "created": int(self.now()), **values}

    # ------------------------------------------------------------------ sessions

    def open(self, asked: Found) -> Found:
        """Open a session. Raises Refused."""
        price = _checked(asked, self.now())
        session = self._new("cs_test", "checkout.session")
        session |= {
            "amount_total": int(price["unit_amount"]),
            "currency": price["currency"],
            "client_reference_id": asked.get("client_reference_id"),
            "metadata": asked.get("metadata", {}),
            "intent_metadata": asked.get("payment_intent_data", {}).get("metadata", {}),
            "setup_future_usage": asked.get("payment_intent_data", {}).get("setup_future_usage"),
            "customer_creation": asked.get("customer_creation"),
            "name": price["product_data"]["name"],
            "mode": "payment",
            "status": "open",
            "payment_status": "unpaid",
            "payment_intent": None,
            "customer_details": None,
            "expires_at": int(asked["expires_at"]),
            "success_url": asked["success_url"],
            "cancel_url": asked.get("cancel_url"),
            "url": f"{self.base_url}/c/pay/{session['id']}",
        }
        return self._keep("session", session)

    def _keep(self, kind: str, found: Found, number: str | None = None) -> Found:
        return self.journal.put(kind, number or found.get("client_reference_id") or "", found)

    def fresh(self, session: Found) -> Found:
        """Return a session as it is now: an open one whose time is over is expired."""
        if session["status"] == "open" and self.now() >= session["expires_at"]:
            return self.expire(session["id"])
        return session

    def expire(self, number: str) -> Found:
        """End an open session. Raises Refused."""
        with self.journal.lock:
            session = self.journal.get(number)
            if session["status"] != "open":
                raise Refused("resource_state_invalid")
            session |= {"status": "expired", "url": None}
            self._keep("session", session)
        self._tell(session["client_reference_id"] or "", "checkout.session.expired", session)
        return session

    def find(self, number: str) -> Found | None:
        """Return the newest session of one of our numbers."""
        return next(iter(self.journal.all("session", number)), None)

    def pay(
        self, session: Found, email: str, total: int | None = None, currency: str = "cny"
    ) -> bool:
        """Let somebody pay by card; returns whether money moved.

        A wrong ``total``, or another currency, is for tests of what was not asked for.
        """
        with self.journal.lock:
            session = self.fresh(self.journal.get(session["id"]))
            if session["status"] != "open":
                return False
            number, amount = session["client_reference_id"] or "", total or session["amount_total"]
            intent = self._new("pi", "payment_intent", amount_received=amount, currency=currency)
            charge = self._new("ch", "charge", amount=amount, currency=currency, status="succeeded")
            meta = session["intent_metadata"]
            charge |= {
                "payment_intent": intent["id"],
                "metadata": meta,
                "billing_details": {"email": email},
            }
            intent |= {"status": "succeeded", "latest_charge": charge["id"], "metadata": meta}
            intent |= self._saved(session)
            session |= {
                "status": "complete", "payment_status": "paid", "payment_intent": intent["id"],
                "customer_details": {"email": email}, "amount_total": amount, "url": None,
                "currency": currency,
            }  # fmt: skip
            policy = self.courier.policy
            fee = (amount * policy.fee_per_10000 + 5000) // 10000 + policy.fee_fixed
            moved = self._move("charge", amount, fee, charge["id"], currency)
            charge["balance_transaction"] = moved["id"]
            for kind, found in (("intent", intent), ("charge", charge), ("session", session)):
                self._keep(kind, found, number)
        self._tell(number, "checkout.session.completed", session)
        return True

    # ------------------------------------------------------------------ saved cards

    def _saved(self, session: Found) -> Found:
        """Keep the card of a payment for later ones, where the session asked for it."""
        if not session["setup_future_usage"] or session["customer_creation"] != "always":
            return {"setup_future_usage": None, "customer": None}
        customer = self._new("cus", "customer")
        card = self._new("pm", "payment_method", type="card", customer=customer["id"])
        self._keep("customer", customer, customer["id"])
        self._keep("card", card, customer["id"])
        return {
            "setup_future_usage": session["setup_future_usage"],
            "customer": customer["id"],
            "payment_method": card["id"],
        }

    def charge(self, asked: Found) -> Found:
        """Charge a saved card without its holder. Raises Refused, also where the bank declines."""
        if asked.get("off_session") != "true" or asked.get("confirm") != "true":
            raise Refused("parameter_invalid")
        card, amount = self.journal.get(asked["payment_method"]), int(asked["amount"])
        if card["customer"] is None or card["customer"] != asked.get("customer"):
            raise Refused("payment_method_unexpected_state", stored=True)
        if asked.get("currency") != "cny" or not 0 < amount < 10**8:
            raise Refused("parameter_invalid")
        meta, policy = asked.get("metadata", {}), self.courier.policy
        number = meta.get("attempt", "")
        intent = self._new("pi", "payment_intent", amount=amount, currency="cny", metadata=meta)
        intent |= {"customer": card["customer"], "payment_method": card["id"]}
        if policy.decline:
            intent |= {
                "status": "requires_payment_method",
                "amount_received": 0,
                "latest_charge": None,
            }
            self._keep("intent", intent, number)
            self._tell(number, "payment_intent.payment_failed", intent)
            raise Refused(policy.decline, 402, "card_error", stored=True)
        charge = self._new("ch", "charge", amount=amount, currency="cny", status="succeeded")
        charge |= {"payment_intent": intent["id"], "metadata": meta, "billing_details": {}}
        fee = (amount * policy.fee_per_10000 + 5000) // 10000 + policy.fee_fixed
        charge["balance_transaction"] = self._move("charge", amount, fee, charge["id"])["id"]
        intent |= {"status": "succeeded", "amount_received": amount, "latest_charge": charge["id"]}
        self._keep("charge", charge, number)
        self._keep("intent", intent, number)
        self._tell(number, "payment_intent.succeeded", intent)
        return {**intent, "latest_charge": charge}

    def forget(self, number: str) -> Found:
        """Take a card from its customer. Raises Refused."""
        card = self.journal.get(number)
        if card["customer"] is None:
            raise Refused("payment_method_unexpected_state")
        return self._keep("card", {**card, "customer": None}, card["customer"])

    # ------------------------------------------------------------------ refunds

    def refund(self, asked: Found) -> Found:
        """Send money back, by the interface or from the dashboard. Raises Refused."""
        policy = self.courier.policy
        if policy.fail_refund:
            raise Refused(policy.fail_refund)
        with self.journal.lock:
            intent = self.journal.get(asked["payment_intent"])
            number = intent["metadata"].get("attempt", "")
            made = [
                r
                for r in self.journal.all("refund", number)
                if r["status"] not in ("failed", "canceled")
            ]
            left = intent["amount_received"] - sum(r["amount"] for r in made)
            amount = int(asked.get("amount") or left)
            if left == 0:
                raise Refused("charge_already_refunded", stored=True)
            if not 0 < amount <= left:
                raise Refused("amount_too_large", stored=True)
            currency = intent["currency"]
            refund = self._new(
                "re", "refund", amount=amount, currency=currency, status=policy.refund_state
            )
            refund |= {
                "payment_intent": intent["id"], "charge": intent["latest_charge"],
                "metadata": asked.get("metadata", {}), "failure_balance_transaction": None,
            }  # fmt: skip
            moved = self._move("refund", -amount, 0, refund["id"], currency)
            refund["balance_transaction"] = moved["id"]
            self._keep("refund", refund, number)
        self._tell(number, "refund.created", refund)
        return refund

    def end_refund(self, refund: Found, state: str) -> Found:
        """Bring a refund to another state; a failed one gives its money back to the balance."""
        number = self.journal.get(refund["payment_intent"])["metadata"].get("attempt", "")
        refund["status"] = state
        if state == "failed":
            back = self._move("refund_failure", refund["amount"], 0, refund["id"])
            refund["failure_balance_transaction"] = back["id"]
        self._keep("refund", refund, number)
        self._tell(number, "refund.failed" if state == "failed" else "refund.updated", refund)
        return refund

    # ------------------------------------------------------------------ disputes

    def dispute(self, intent: Found, fee: int = 1500) -> Found:
        """Let a cardholder dispute a payment: its money is taken at once."""
        number, amount = intent["metadata"].get("attempt", ""), intent["amount_received"]
        dispute = self._new("dp", "dispute", amount=amount, currency="cny", status="needs_response")
        dispute |= {
            "payment_intent": intent["id"],
            "charge": intent["latest_charge"],
            "metadata": {},
        }
        self._tell(number, "charge.dispute.created", {**dispute, "balance_transactions": []})
        dispute["balance_transactions"] = [self._move("adjustment", -amount, fee, dispute["id"])]
        self._keep("dispute", dispute, number)
        self._tell(number, "charge.dispute.funds_withdrawn", dispute)
        return dispute

    def reinstate(self, dispute: Found, fee_back: int = 0) -> Found:
        """Let a dispute be won: its money comes back, and in some countries its fee."""
        number = self.journal.get(dispute["payment_intent"])["metadata"].get("attempt", "")
        dispute["status"] = "won"
        dispute["balance_transactions"].append(
            self._move("adjustment", dispute["amount"], -fee_back, dispute["id"])
        )
        self._keep("dispute", dispute, number)
        self._tell(number, "charge.dispute.funds_reinstated", dispute)
        self._tell(number, "charge.dispute.closed", dispute)
        return dispute

    # ------------------------------------------------------------------ balance

    def _move(self, kind: str, amount: int, fee: int, source: str, currency: str = "cny") -> Found:
        move = self._new("txn", "balance_transaction", type=kind, amount=amount, fee=fee)
        move |= {"net": amount - fee, "currency": currency, "source": source, "payout": None}
        return self._keep("move", move, source)

    def payout(self, amount: int | None = None) -> Found:
        """Pay out everything that waits, or an amount by hand, which belongs to no movements."""
        with self.journal.lock:
            waiting = [
                m
                for m in self.journal.all("move")
                if m["payout"] is None and m["currency"] == "cny"
            ]
            total = amount or sum(m["net"] for m in waiting)
            payout = self._new("po", "payout", amount=total, currency="cny", status="paid")
            payout |= {
                "automatic": amount is None,
                "reconciliation_status": "completed" if amount is None else "not_applicable",
            }
            self._keep("payout", payout, payout["id"])
            waiting = [*waiting, self._move("payout", -total, 0, payout["id"])]
            for move in waiting if amount is None else waiting[-1:]:
                self._keep("move", {**move, "payout": payout["id"]}, move["source"])
        return payout

    def _tell(self, number: str, kind: str, found: Found) -> None:
        self.courier.add(number, kind, found)


def _checked(asked: Found, now: float) -> Found:
    """Return the price of a session that is asked for. Raises Refused."""
    try:
        (item,) = asked["line_items"].values()
        price: Found = item["price_data"]
        ends, amount = int(asked["expires_at"]) - now, int(price["unit_amount"])
        addresses = [urlsplit(asked[name]).scheme for name in ("success_url", "cancel_url")]
        is_whole = bool(price["product_data"]["name"]) and item["quantity"] == "1"
    except (KeyError, ValueError, AttributeError, TypeError):
        raise Refused("parameter_missing") from None
    if not is_whole or asked.get("mode") != "payment" or price.get("currency") != "cny":
        raise Refused("parameter_invalid")
    if not SHORTEST <= ends <= LONGEST or not 0 < amount < 10**8:
        raise Refused("parameter_invalid")
    if not {"http", "https"}.issuperset(addresses):
        raise Refused("url_invalid")
    return price
