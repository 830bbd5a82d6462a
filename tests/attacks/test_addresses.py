"""Who counts as one visitor."""

import pytest
from flask import Flask

from fundraising import addresses


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:0:7:1:2:3:4", "2001:db8:0:7::/64"),
        ("2001:db8:0:7::", "2001:db8:0:7::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix:", "unix:"),
        ("", ""),
    ],
)
def test_a_house_of_ipv6_is_one_visitor(address: str, network: str) -> None:
    assert addresses.network(address) == network


def test_atk_107_a_house_of_ipv6_has_no_more_tries_than_an_address(guarded: Flask) -> None:
    guarded.config["WTF_CSRF_ENABLED"] = False

    statuses = [
        guarded.test_client()
        .post(
            "/staff/login",
            data={"email": f"u{n}@example.org", "password": "x"},
            environ_overrides={"REMOTE_ADDR": f"2001:db8:0:7::{n:x}"},
        )
        .status_code
        for n in range(25)
    ]

    assert statuses[-1] == 429
