"""What a user may set for a testbed, and where it comes from: options, environment, TOML file, default, in this order.

An error names the file, the line where it can be told, and the key. Secrets are not settings: they are
made here anew for every boot of a testbed, and given to its supervisor alone.
"""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from neatctl.core.control.config import TestbedConfig
from neatctl.core.control.impairment import parse_impairment
from neatctl.core.control.placement import PLACEMENTS
from neatctl.core.control.scaling import MAX_REPLICAS
from neatctl.testbed.toml_text import BadToml, line_of, parse, text_of

DEFAULT_NAME = "neat"
CHANNELS = ("ring", "zmq")
TRANSPORTS = ("ipc", "inproc")


class BadSetting(ValueError):
    """A setting that cannot be; the message says where it stands and what is allowed."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of `up`; the keys of its TOML file."""

    name: str = DEFAULT_NAME
    replicas: int = 2
    web: str = ""
    """The directory to serve; "" for the built-in site."""
    address: str = "10.77.0.2/24"
    address6: str = "fd77::2/64"
    """"" for no IPv6."""
    channel: str = "ring"
    transport: str = "ipc"
    impair: str = ""
    seed: int = 0
    placement: str = "auto"
    """Which cores the components run on: control/placement.py."""
    ecn: bool = False
    """Connections that applications open ask for ECN (RFC 3168)."""


def settings_from(options: dict[str, Any], file: Path | None) -> Settings:
    """The settings by options (None: not given; the environment is among them), then by `file`, then by default."""
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    if file is not None:
        try:
            text = text_of(file)
            values = parse(text)
        except OSError as error:
            raise BadSetting(f"{file}: {error.strerror}") from None
        except BadToml as error:
            raise BadSetting(f"{file}:{error.line}: {error}" if error.line else f"{file}: {error}") from None
        where = {key: f"{file}:{line_of(text, (key,))}: {key}" for key in values}
    given = {key: value for key, value in options.items() if value is not None}
    where |= {key: f"--{key}" for key in given}
    for key in values:
        if key not in Settings.__struct_fields__:
            known = ", ".join(Settings.__struct_fields__)
            raise BadSetting(f"{where[key]}: there is no such setting; there are {known}")
    settings = Settings()
    for key, value in (values | given).items():
        try:
            settings = msgspec.convert(msgspec.to_builtins(settings) | {key: value}, Settings)
            check(settings, key)
        except (msgspec.ValidationError, ValueError) as error:
            reason = re.sub(r" - at `\$\.\w+`$", "", str(error))
            raise BadSetting(f"{where[key]}: {reason}") from None
    return settings


def check(settings: Settings, key: str) -> None:
    """ValueError if the setting of this name cannot be."""
    value = getattr(settings, key)
    if key == "replicas" and not 1 <= value <= MAX_REPLICAS:
        raise ValueError(f"the number of replicas is 1 to {MAX_REPLICAS}, not {value}")
    if key == "channel" and value not in CHANNELS:
        raise ValueError(f"a channel is {' or '.join(CHANNELS)}, not {value!r}")
    if key == "transport" and value not in TRANSPORTS:
        raise ValueError(f"a transport is {' or '.join(TRANSPORTS)}, not {value!r}")
    if key == "placement" and value not in PLACEMENTS:
        raise ValueError(f"a placement is {' or '.join(PLACEMENTS)}, not {value!r}")
    if key == "impair":
        parse_impairment(value)
    if key == "web" and value and not Path(value).is_dir():
        raise ValueError(f"{value} is no directory")
    if key == "address":
        addresses(value)
    if key == "address6" and value:
        addresses6(value)
    if key == "seed" and not 0 <= value < 1 << 63:
        raise ValueError("a seed is 0 to 2^63 - 1")


def addresses(cidr: str) -> tuple[str, str, int]:
    """The appliance's address, the clients' (the first of the network that is not the appliance's), prefix length."""
    try:
        interface = ipaddress.IPv4Interface(cidr)
    except ValueError:
        raise ValueError(f"an address is written like 10.77.0.2/24, not {cidr!r}") from None
    network = interface.network
    if network.prefixlen > 30 or network.prefixlen < 8 or "/" not in cidr:
        raise ValueError(f"the network of {cidr} must have a prefix length of 8 to 30")
    unusable = interface.ip.is_multicast or interface.ip.is_loopback or interface.ip.is_unspecified
    if unusable or interface.ip in {network.network_address, network.broadcast_address}:
        raise ValueError(f"{interface.ip} is no address of a host in {network}")
    client = next(host for host in network.hosts() if host != interface.ip)
    return str(interface.ip), str(client), network.prefixlen


def addresses6(cidr: str) -> tuple[str, str, int]:
    """The same of IPv6; ("", "", 64) for none."""
    if not cidr:
        return "", "", 64
    try:
        interface = ipaddress.IPv6Interface(cidr)
    except ValueError:
        raise ValueError(f"an IPv6 address is written like fd77::2/64, not {cidr!r}") from None
    network = interface.network
    if network.prefixlen > 126 or network.prefixlen < 8 or "/" not in cidr:
        raise ValueError(f"the network of {cidr} must have a prefix length of 8 to 126")
    ip = interface.ip
    if ip.is_multicast or ip.is_loopback or ip.is_unspecified or ip.is_link_local or ip.ipv4_mapped:
        raise ValueError(f"{ip} cannot be the appliance's address; one of fd00::/8 can")
    if ip == network.network_address:
        raise ValueError(f"{ip} is the address of every router of {network}")
    client = next(host for host in network.hosts() if host != ip)
    return str(ip), str(client), network.prefixlen


def boot_config(settings: Settings, run_directory: str) -> TestbedConfig:
    """The configuration of the supervisor, with the secrets of this boot."""
    address, client_address, prefix_length = addresses(settings.address)
    address6, client_address6, prefix_length6 = addresses6(settings.address6)
    return TestbedConfig(
        name=settings.name,
        run_directory=run_directory,
        replicas=settings.replicas,
        transport=settings.transport,
        channel=settings.channel,
        address=address,
        prefix_length=prefix_length,
        client_address=client_address,
        mac=b"\x02" + os.urandom(5),
        isn_key=os.urandom(16),
        rss_key=os.urandom(40),
        web=str(Path(settings.web).resolve()) if settings.web else "",
        impair=settings.impair,
        seed=settings.seed,
        placement=settings.placement,
        address6=address6,
        prefix_length6=prefix_length6,
        client_address6=client_address6,
        ecn=settings.ecn,
    )
