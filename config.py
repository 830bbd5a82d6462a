"""Every setting of the product: the only place that reads the environment.

A missing required setting stops the process at start; an empty secret means the feature is off, never open.
"""

from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SIMULATOR_MARK = "SIMULATOR"
DEMO_MARK = "演示"
MIN_SECRET_LENGTH = 32
SHORTEST_ALPHABET = 10


class Environment(StrEnum):
    """Where the process runs; production refuses everything that only a demonstration may do."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """The environment, read once and checked."""

    model_config = SettingsConfigDict(
        env_prefix="", extra="ignore", frozen=True, hide_input_in_errors=True
    )  # a refusal must not print the secrets beside the fault

    environment: Environment = Field(
        default=Environment.PRODUCTION,
        description="development, test or production. Production refuses demonstration data and simulators.",
    )
    database_url: str = Field(
        description="PostgreSQL of the application role, which cannot change the journal."
    )
    database_owner_url: str = Field(
        default="", description="PostgreSQL of the owner role: migrations only."
    )
    redis_url: str = Field(
        default="",
        description="Redis or Valkey: doorbell, cache and limits. May vanish at any moment.",
    )
    secret_key: str = Field(
        description="At least 32 characters; signs sessions, seals personal data."
    )
    secret_key_fallbacks: str = Field(
        default="",
        description="Earlier secret keys separated by commas, still accepted while rotating.",
    )
    debug: bool = Field(default=False, description="Flask's debugger; refused in production.")
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        description="Address of this site as donors see it, no slash.",
    )
    trusted_hosts: str = Field(
        default="",
        description="Host names answered, separated by commas; empty means PUBLIC_URL's.",
    )
    proxy_hops: int = Field(
        default=0, description="Reverse proxies in front whose headers are trusted."
    )
    var_dir: Path = Field(
        default=Path("var"), description="Where the process may write (maps, caches)."
    )
    files_dir: Path = Field(
        default=Path("var/files"), description="Where documents and pictures are kept."
    )
    mail_url: str = Field(
        default="",
        description="smtp://user:password@host:port or smtps://; empty keeps letters waiting.",
    )
    mail_from: str = Field(
        default="noreply@localhost", description="Sender address of letters to donors and staff."
    )
    organisation_name: str = Field(
        default="承德市红十字会", description="Legal name of the chapter."
    )
    organisation_name_en: str = Field(
        default="Chengde Red Cross Society", description="Its name on English pages."
    )
    ratelimit_enabled: bool = Field(
        default=True, description="false for load tests only; refused in production."
    )
    page_cache_seconds: float = Field(
        default=1.0, description="How long a public page may be shown again; 0 draws it each time."
    )
    web_threads: int = Field(
        default=8, ge=1, description="Requests each web process works on at once."
    )
    order_minutes: int = Field(default=30, description="Minutes until an unpaid order expires.")
    monthly_giving: bool = Field(
        default=True,
        description="Offer a gift each month beside a single one; false hides it, promises made go on.",
    )
    monthly_notice_days: int = Field(
        default=3, ge=1, le=20, description="Days between the notice of a monthly gift and its day."
    )
    monthly_link_days: int = Field(
        default=14,
        ge=1,
        le=27,
        description="Days a month's gift may be late before it is given up.",
    )

    refund_alone_fen: int = Field(
        default=0,
        description="Refunds up to so many fen that one person asks for in a day need no second one; 0 means all do.",
    )

    wechatpay_base_url: str = Field(
        default="https://api.mch.weixin.qq.com", description="WeChat Pay API v3 host."
    )
    wechatpay_oauth_url: str = Field(
        default="https://open.weixin.qq.com/connect/oauth2/authorize",
        description="Page that gives the OAuth code inside WeChat.",
    )
    wechatpay_oauth_api_url: str = Field(
        default="https://api.weixin.qq.com",
        description="Host that trades the OAuth code for an openid.",
    )
    wechatpay_app_secret: str = Field(
        default="", description="Secret of the WeChat app (openid for JSAPI)."
    )
    wechatpay_mchid: str = Field(
        default="", description="Merchant number; empty turns WeChat Pay off."
    )
    wechatpay_appid: str = Field(default="", description="App id the merchant is bound to.")
    wechatpay_serial_no: str = Field(default="", description="Serial of the merchant certificate.")
    wechatpay_private_key_file: Path | None = Field(
        default=None, description="Merchant private key (PEM)."
    )
    wechatpay_apiv3_key: str = Field(
        default="", description="32 bytes; several separated by commas while rotating."
    )
    wechatpay_verify_keys_dir: Path | None = Field(
        default=None, description="PEM files whose stem is a certificate serial or PUB_KEY_ID_…."
    )
    wechatpay_monthly: bool = Field(
        default=False,
        description="Offer donors inside WeChat 委托代扣 for their monthly gifts; only with a template of WeChat Pay.",
    )
    wechatpay_monthly_h5: bool = Field(
        default=False,
        description="Offer it in other browsers of phones too: a permission of its own at WeChat Pay.",
    )
    wechatpay_apiv2_key: str = Field(
        default="",
        description="32 characters, for 委托代扣 alone; several separated by commas while changing.",
    )
    wechatpay_plan_id: str = Field(default="", description="Number of the 委托代扣 template.")
    wechatpay_plan_notice: bool = Field(
        default=True,
        description="The template asks for 预扣费通知; false: it waits 24 hours after each request.",
    )
    wechatpay_simulator_url: str = Field(
        default="",
        description="Development: address of the simulator's cashier, linked from the pay page.",
    )

    alipay_gateway_url: str = Field(
        default="https://openapi.alipay.com/gateway.do", description="Alipay's open gateway."
    )
    alipay_app_id: str = Field(default="", description="App id; empty turns Alipay off.")
    alipay_seller_id: str = Field(
        default="", description="The chapter's number at Alipay (PID, 2088…)."
    )
    alipay_private_key_file: Path | None = Field(
        default=None, description="Private key of the app (PEM, RSA2)."
    )
    alipay_public_key_file: Path | None = Field(
        default=None,
        description="Alipay's public key (PEM); several keys one after another while they change.",
    )
    alipay_monthly: bool = Field(
        default=False,
        description="Offer donors Alipay 周期扣款 for their monthly gifts; only with that product of Alipay.",
    )
    alipay_sign_scene: str = Field(
        default="", description="Scene of 周期扣款 that Alipay assigned (INDUSTRY|…)."
    )
    alipay_simulator_url: str = Field(
        default="",
        description="Development: address of Alipay's simulator, linked from the pay page.",
    )

    stripe_api_base: str = Field(
        default="https://api.stripe.com", description="Stripe's interface for servers."
    )
    stripe_account_id: str = Field(
        default="", description="Number of the chapter's account (acct_…); empty turns Stripe off."
    )
    stripe_secret_key: str = Field(
        default="",
        description="Secret key (sk_live_… or rk_live_…); test keys are refused in production.",
    )
    stripe_webhook_secrets: str = Field(
        default="",
        description="Signing secret of the webhook (whsec_…); several separated by commas while rotating.",
    )
    stripe_monthly: bool = Field(
        default=False,
        description="Let a donor's card be saved for their monthly gifts and charged after each notice.",
    )
    stripe_simulator_url: str = Field(
        default="",
        description="Development: address of Stripe's simulator, linked from the pay page.",
    )

    bank_account_number: str = Field(
        default="", description="Number of the chapter's account; empty turns bank transfers off."
    )
    bank_account_name: str = Field(
        default="", description="Holder of the account, as the bank writes it."
    )
    bank_name: str = Field(default="", description="Name of the bank and its branch.")

    fiscal_base_url: str = Field(
        default="",
        description="Finance department's e-receipt system; empty: none, issued bills come by file.",
    )
    fiscal_unit_code: str = Field(default="", description="This unit's code at the department.")
    fiscal_key: str = Field(default="", description="Key shared with the department, for signing.")

    @property
    def is_production(self) -> bool:
        """Whether real donors may be giving."""
        return self.environment is Environment.PRODUCTION

    @property
    def hosts(self) -> list[str]:
        """Host names this site answers to."""
        named = [host.strip() for host in self.trusted_hosts.split(",") if host.strip()]
        return named or [urlsplit(self.public_url).netloc, urlsplit(self.public_url).hostname or ""]

    @property
    def payment_hosts(self) -> list[str]:
        """Addresses of payment providers this process would speak to."""
        wechatpay = [
            self.wechatpay_base_url,
            self.wechatpay_oauth_url,
            self.wechatpay_oauth_api_url,
        ]
        named = [
            (self.wechatpay_mchid, wechatpay),
            (self.alipay_app_id, [self.alipay_gateway_url]),
            (self.stripe_account_id, [self.stripe_api_base]),
        ]
        return [url for is_on, urls in named if is_on for url in urls]

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _safe_secret(self) -> "Settings":
        if len(self.secret_key) < MIN_SECRET_LENGTH:
            raise ValueError(f"SECRET_KEY needs at least {MIN_SECRET_LENGTH} characters.")
        return self

    @model_validator(mode="after")
    def _whole_fiscal(self) -> "Settings":
        if self.fiscal_base_url and not (self.fiscal_unit_code and self.fiscal_key):
            raise ValueError("FISCAL_UNIT_CODE and FISCAL_KEY go with FISCAL_BASE_URL.")
        return self

    @model_validator(mode="after")
    def _safe_for_production(self) -> "Settings":
        if not self.is_production:
            return self
        problems = [text for is_bad, text in self._production_faults() if is_bad]
        if problems:
            raise ValueError("Refusing to start in production: " + "; ".join(problems))
        return self

    def _production_faults(self) -> list[tuple[bool, str]]:
        loopback = [u for u in self.payment_hosts if not _is_public_https(u)]
        spares = [key for key in self.secret_key_fallbacks.split(",") if key]
        wechatpay = self.wechatpay_apiv3_key + self.wechatpay_apiv2_key + self.wechatpay_mchid
        alipay = self.alipay_app_id + self.alipay_seller_id
        stripe = self.stripe_account_id + self.stripe_secret_key + self.stripe_webhook_secrets
        return [
            (self.debug, "DEBUG is on"),
            (not self.ratelimit_enabled, "RATELIMIT_ENABLED is false"),
            (_is_weak(self.secret_key), "SECRET_KEY is too simple"),
            (any(map(_is_weak, spares)), "SECRET_KEY_FALLBACKS holds a key that is too simple"),
            (bool(loopback), f"payment provider addresses must be public https: {loopback}"),
            (
                DEMO_MARK in self.bank_account_name + self.bank_name,
                "BANK_* are of the demonstration",
            ),
            (SIMULATOR_MARK in wechatpay, "WECHATPAY_* are keys of the simulator"),
            (
                bool(self.fiscal_base_url) and not _is_public_https(self.fiscal_base_url),
                "FISCAL_BASE_URL must be public https",
            ),
            (
                SIMULATOR_MARK in self.fiscal_unit_code + self.fiscal_key,
                "FISCAL_* are of the simulator",
            ),
            (bool(self.wechatpay_simulator_url), "WECHATPAY_SIMULATOR_URL is set"),
            (SIMULATOR_MARK in alipay, "ALIPAY_* are of the simulator"),
            (bool(self.alipay_simulator_url), "ALIPAY_SIMULATOR_URL is set"),
            (SIMULATOR_MARK in stripe, "STRIPE_* are of the simulator"),
            ("_test_" in self.stripe_secret_key, "STRIPE_SECRET_KEY is a test key"),
            (bool(self.stripe_simulator_url), "STRIPE_SIMULATOR_URL is set"),
            (not _is_public_https(self.public_url), "PUBLIC_URL must be public https"),
            ("*" in self.trusted_hosts, "TRUSTED_HOSTS names hosts, not patterns"),
        ]


def _is_weak(secret: str) -> bool:
    return len(secret) < MIN_SECRET_LENGTH or len(set(secret)) < SHORTEST_ALPHABET


def _is_public_https(url: str) -> bool:
    """Whether an address is https and names no machine of the inner network."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https" or not host or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return True


def load() -> Settings:
    """Read the environment once. Raises pydantic's ValidationError when something is missing or unsafe."""
    return Settings()
