"""Which providers this installation has, from its settings; an unset provider is off."""

from collections.abc import Mapping
from pathlib import Path

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

from config import Settings
from fundraising import outbound
from fundraising.payments.providers.agreements import AgreementProvider
from fundraising.payments.providers.alipay import Alipay, CyclePay
from fundraising.payments.providers.bank import BankTransfer
from fundraising.payments.providers.base import Provider
from fundraising.payments.providers.papay import Papay
from fundraising.payments.providers.stripe import Stripe
from fundraising.payments.providers.wechatpay import WechatPay

APIV3_KEY_BYTES = 32
APIV2_KEY_CHARACTERS = 32
SHORTEST_SECRET = 24
LIMITS = httpx.Timeout(5.0, connect=2.0)


class BadProviderSettings(Exception):
    """A provider is half set up: the process does not start."""


def build(settings: Settings) -> dict[str, Provider]:
    """Return the providers by name.

    Raises:
        BadProviderSettings: a provider is set and something else it needs is missing or malformed.
    """
    found: dict[str, Provider] = {}
    if settings.wechatpay_mchid:
        found["wechatpay"] = _wechatpay(settings)
    if settings.alipay_app_id:
        found["alipay"] = _alipay(settings)
    if settings.stripe_account_id:
        found["stripe"] = _stripe(settings)
    if settings.bank_account_number:
        found["bank"] = _bank(settings)
    return found


def agreements(
    settings: Settings, providers: Mapping[str, Provider]
) -> dict[str, AgreementProvider]:
    """Return those at which donors may sign agreements, by the provider's name.

    They are there as soon as their keys are: what was signed goes on, or is ended, when nothing more is offered.

    Raises:
        BadProviderSettings: offered, and something it needs is missing or malformed.
    """
    found: dict[str, AgreementProvider] = {}
    wechat = providers.get("wechatpay")
    keys = [key.strip() for key in settings.wechatpay_apiv2_key.split(",") if key.strip()]
    if any(len(key) != APIV2_KEY_CHARACTERS or not key.isalnum() for key in keys):
        raise BadProviderSettings("WECHATPAY_APIV2_KEY: each key is 32 letters and digits")
    if keys and settings.wechatpay_plan_id and isinstance(wechat, WechatPay):
        plan_id, notice = settings.wechatpay_plan_id, settings.wechatpay_plan_notice
        found["wechatpay"] = Papay(wechat, plan_id, keys, notice)
    elif settings.wechatpay_monthly:
        raise BadProviderSettings(
            "WECHATPAY_APIV2_KEY, WECHATPAY_PLAN_ID and WECHATPAY_MCHID go with WECHATPAY_MONTHLY"
        )
    alipay = providers.get("alipay")
    if settings.alipay_sign_scene and isinstance(alipay, Alipay):
        found["alipay"] = CyclePay(alipay, settings.alipay_sign_scene)
    elif settings.alipay_monthly:
        raise BadProviderSettings("ALIPAY_SIGN_SCENE and ALIPAY_APP_ID go with ALIPAY_MONTHLY")
    return found


def _bank(settings: Settings) -> BankTransfer:
    number = "".join(settings.bank_account_number.split())
    if not settings.bank_account_name or not settings.bank_name:
        raise BadProviderSettings("BANK_ACCOUNT_NAME and BANK_NAME go with BANK_ACCOUNT_NUMBER")
    if not number.replace("-", "").isalnum():
        raise BadProviderSettings("BANK_ACCOUNT_NUMBER is no account number")
    return BankTransfer(number, settings.bank_account_name, settings.bank_name)


def _wechatpay(settings: Settings) -> WechatPay:
    keys = [key.strip().encode() for key in settings.wechatpay_apiv3_key.split(",") if key.strip()]
    if not keys or any(len(key) != APIV3_KEY_BYTES for key in keys):
        raise BadProviderSettings("WECHATPAY_APIV3_KEY: each key is 32 bytes")
    key_file, folder = settings.wechatpay_private_key_file, settings.wechatpay_verify_keys_dir
    if key_file is None or folder is None or not settings.wechatpay_appid:
        raise BadProviderSettings(
            "WECHATPAY_PRIVATE_KEY_FILE, WECHATPAY_VERIFY_KEYS_DIR and WECHATPAY_APPID go with WECHATPAY_MCHID"
        )
    return WechatPay(
        account=settings.wechatpay_mchid,
        appid=settings.wechatpay_appid,
        serial=settings.wechatpay_serial_no,
        private_key=_private_key(key_file, "WECHATPAY_PRIVATE_KEY_FILE"),
        apiv3_keys=keys,
        verify_keys=verify_keys(folder),
        base_url=settings.wechatpay_base_url.rstrip("/"),
        oauth_url=settings.wechatpay_oauth_url,
        oauth_api_url=settings.wechatpay_oauth_api_url.rstrip("/"),
        app_secret=settings.wechatpay_app_secret,
        http=outbound.client(LIMITS),
    )


def _alipay(settings: Settings) -> Alipay:
    private, public = settings.alipay_private_key_file, settings.alipay_public_key_file
    if private is None or public is None or not settings.alipay_seller_id:
        raise BadProviderSettings(
            "ALIPAY_SELLER_ID, ALIPAY_PRIVATE_KEY_FILE and ALIPAY_PUBLIC_KEY_FILE go with ALIPAY_APP_ID"
        )
    return Alipay(
        app_id=settings.alipay_app_id,
        account=settings.alipay_seller_id,
        private_key=_private_key(private, "ALIPAY_PRIVATE_KEY_FILE"),
        public_keys=public_keys(public),
        gateway_url=settings.alipay_gateway_url,
        http=outbound.client(LIMITS),
    )


def _stripe(settings: Settings) -> Stripe:
    secrets = [part.strip() for part in settings.stripe_webhook_secrets.split(",") if part.strip()]
    key = settings.stripe_secret_key
    if not secrets or not key.startswith(("sk_live_", "rk_live_", "sk_test_", "rk_test_")):
        raise BadProviderSettings(
            "STRIPE_SECRET_KEY (sk_… or rk_…) and STRIPE_WEBHOOK_SECRETS go with STRIPE_ACCOUNT_ID"
        )
    if not key.isascii() or any(len(part) < SHORTEST_SECRET for part in secrets):
        raise BadProviderSettings("STRIPE_WEBHOOK_SECRETS: each secret is as Stripe shows it")
    return Stripe(
        account=settings.stripe_account_id,
        secret_key=key,
        webhook_secrets=secrets,
        base_url=settings.stripe_api_base.rstrip("/"),
        http=outbound.client(LIMITS),
    )


def public_keys(file: Path) -> list[RSAPublicKey]:
    """Return Alipay's keys of a PEM file, one after another."""
    end = b"-----END PUBLIC KEY-----"
    blocks = [block + end for block in file.read_bytes().split(end)[:-1]]
    keys = [serialization.load_pem_public_key(block) for block in blocks]
    found = [key for key in keys if isinstance(key, RSAPublicKey)]
    if not found or len(found) < len(keys):
        raise BadProviderSettings("ALIPAY_PUBLIC_KEY_FILE holds no RSA public keys in PEM")
    return found


def _private_key(file: Path, name: str) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise BadProviderSettings(f"{name} is no RSA key")
    return key


def verify_keys(folder: Path) -> dict[str, RSAPublicKey]:
    """Return the provider's keys: each PEM file's stem is a certificate serial or a public key id."""
    found: dict[str, RSAPublicKey] = {}
    for file in sorted(folder.glob("*.pem")):
        data = file.read_bytes()
        if b"BEGIN CERTIFICATE" in data:
            key = load_pem_x509_certificate(data).public_key()
        else:
            key = serialization.load_pem_public_key(data)  # type: ignore[assignment]
        if not isinstance(key, RSAPublicKey):
            raise BadProviderSettings(f"{file.name} is no RSA key")
        found[file.stem] = key
    if not found:
        raise BadProviderSettings("WECHATPAY_VERIFY_KEYS_DIR holds no keys")
    return found
