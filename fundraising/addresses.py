"""Visitors by the address they come from: of IPv6 the first 64 bits, which one house shares."""

import ipaddress

HOUSE = 64


def network(address: str) -> str:
    """Return what stands for everybody behind an address; text that is no address is returned as it is."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found.packed, HOUSE), strict=False))
