"""What every simulator needs before it serves: that this is no production, keys of its own, settings to hand on."""

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


def refuse_in_production() -> None:
    """End the process unless the environment is named and is none of production."""
    if os.environ.get("ENVIRONMENT", "production") == "production":
        raise SystemExit("The simulator is refused in production: set ENVIRONMENT=development.")


def key(folder: Path, name: str) -> RSAPrivateKey:
    """Return a key of that name, made once and kept in the folder."""
    file = folder / f"{name}.pem"
    if not file.exists():
        made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        file.touch(mode=0o600)
        file.write_bytes(
            made.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    found = serialization.load_pem_private_key(file.read_bytes(), None)
    assert isinstance(found, RSAPrivateKey)
    return found


def write_settings(folder: Path, values: Mapping[str, str]) -> None:
    """Write ``settings.env`` whole or not at all."""
    scratch = folder / "settings.env.new"
    scratch.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    scratch.replace(folder / "settings.env")
