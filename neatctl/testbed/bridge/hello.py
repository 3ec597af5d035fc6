"""What a client of the bridge may choose in its HELLO: `address=10.77.0.2/24,mtu=1500,link=raw`, checked.

The same words are options of the verb, which gives the defaults. Pure.
"""

from __future__ import annotations

import ipaddress

import msgspec

from neatctl.testbed.bridge.one_thread import BridgeOptions

LINKS = ("raw", "ethernet")
_LEAST_MTU, _LEAST_MTU6, _MOST_MTU = 68, 1280, 65535
_LEAST_BUFFER, _MOST_BUFFER = 65536, 1 << 24
_BUFFERS = {"receive_buffer": "receive_buffer_octets", "send_buffer": "send_buffer_octets"}
KEYS = ("address", "gateway", "address6", "gateway6", "mtu", "link", *_BUFFERS)


class BadHello(ValueError):
    """An option that cannot be; the message says what is allowed."""


def options_of(text: str, defaults: BridgeOptions) -> BridgeOptions:
    """The options of `key=value,..` over `defaults`. BadHello says which is wrong."""
    changes: dict[str, str | int | bool] = {}
    for part in text.split(",") if text.strip() else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if key not in KEYS or not equals:
            raise BadHello(f"{part.strip()!r} is no option; there are {', '.join(KEYS)} (for example mtu=1500)")
        changes |= _checked(key, value)
    options = msgspec.structs.replace(defaults, **changes)
    if options.gateway and options.gateway == options.address:
        raise BadHello(f"gateway={options.gateway} is the stack's own address")
    if options.gateway6 and options.gateway6 == options.address6:
        raise BadHello(f"gateway6={options.gateway6} is the stack's own address")
    if options.gateway6 and not options.address6:
        raise BadHello("gateway6 needs address6")
    if options.address6 and options.mtu < _LEAST_MTU6:
        raise BadHello(f"address6 needs an mtu of at least {_LEAST_MTU6}, as IPv6 does")
    return options


def _checked(key: str, value: str) -> dict[str, str | int | bool]:
    if key == "address":
        try:
            interface = ipaddress.IPv4Interface(value)
        except ValueError:
            raise BadHello(f"address is written like 10.77.0.2/24, not {value!r}") from None
        if "/" not in value or not 1 <= interface.network.prefixlen <= 30 or interface.ip.is_multicast:
            raise BadHello(f"address={value}: a host's address with a prefix length of 1 to 30")
        return {"address": str(interface.ip), "prefix_length": interface.network.prefixlen}
    if key in ("address6", "gateway6"):
        return _checked6(key, value)
    if key == "gateway":
        try:
            return {"gateway": str(ipaddress.IPv4Address(value)) if value else ""}
        except ValueError:
            raise BadHello(f"gateway is an IPv4 address, not {value!r}") from None
    if key == "link":
        if value not in LINKS:
            raise BadHello(f"link is {' or '.join(LINKS)}, not {value!r}")
        return {"ethernet": value == "ethernet"}
    if key == "mtu":
        return {"mtu": _number(key, value, _LEAST_MTU, _MOST_MTU)}
    return {_BUFFERS[key]: _number(key, value, _LEAST_BUFFER, _MOST_BUFFER)}


def _checked6(key: str, value: str) -> dict[str, str | int | bool]:
    if not value:
        return {key: ""}
    try:
        interface = ipaddress.IPv6Interface(value)
    except ValueError:
        raise BadHello(f"{key} is an IPv6 address, not {value!r}") from None
    ip = interface.ip
    if ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip.scope_id:
        raise BadHello(f"{key}={value}: a host's address")
    if key == "gateway6":
        if "/" in value:
            raise BadHello(f"gateway6 has no prefix length, {value!r} has")
        return {"gateway6": str(ip)}
    if "/" not in value or not 1 <= interface.network.prefixlen <= 127:
        raise BadHello(f"address6 is written like fd77::2/64, not {value!r}")
    return {"address6": str(ip), "prefix_length6": interface.network.prefixlen}


def _number(key: str, text: str, least: int, most: int) -> int:
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if not least <= value <= most:
        raise BadHello(f"{key} is {least} to {most}, not {text!r}")
    return value


def text_of(options: BridgeOptions) -> str:
    """All options in that form."""
    address6 = f"{options.address6}/{options.prefix_length6}" if options.address6 else ""
    return (
        f"address={options.address}/{options.prefix_length},gateway={options.gateway},"
        f"address6={address6},gateway6={options.gateway6},mtu={options.mtu},"
        f"link={LINKS[options.ethernet]},receive_buffer={options.receive_buffer_octets},"
        f"send_buffer={options.send_buffer_octets}"
    )
