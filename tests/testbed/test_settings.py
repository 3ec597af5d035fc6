"""Settings: where each comes from, and errors that say where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from neatctl.testbed.settings import BadSetting, Settings, addresses, boot_config, settings_from


def write(directory: Path, text: str) -> Path:
    path = directory / "lab.toml"
    path.write_text(text)
    return path


def test_an_option_goes_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    file = write(tmp_path, 'replicas = 6\nchannel = "zmq"\n')
    settings = settings_from({"replicas": 3, "channel": None, "seed": None}, file)
    assert settings == Settings(replicas=3, channel="zmq")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("replicas = 2\nreplica = 3\n", "lab.toml:2: replica: there is no such setting; there are name, replicas"),
        ("replicas = 2\n\n[web]\nport = 80\n", "lab.toml:3: web: Expected `str`, got `object`"),
        ('replicas = "many"\n', "lab.toml:1: replicas: Expected `int`, got `str`"),
        ("# many\nreplicas = 99\n", "lab.toml:2: replicas: the number of replicas is 1 to 64, not 99"),
        ("seed = 1\nreplicas =\n", "lab.toml:2: Invalid value"),
        ('impair = "lose=5%"\n', "lab.toml:1: impair: impairment 'lose' is not known"),
        ("ecn = 2\n", "lab.toml:1: ecn: Expected `bool`, got `int`"),
        ('channel = "smoke"\n', "lab.toml:1: channel: a channel is ring or zmq, not 'smoke'"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadSetting) as error:
        settings_from({}, write(tmp_path, text))
    assert said in str(error.value)


def test_an_error_of_an_option_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^--web: /nowhere/at/all is no directory"):
        settings_from({"web": "/nowhere/at/all"}, write(tmp_path, "replicas = 2\n"))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(BadSetting, match=r"/nowhere\.toml: No such file"):
        settings_from({}, Path("/nowhere.toml"))


@pytest.mark.parametrize(
    ("cidr", "expected"),
    [
        ("10.77.0.2/24", ("10.77.0.2", "10.77.0.1", 24)),
        ("192.168.9.1/30", ("192.168.9.1", "192.168.9.2", 30)),
        ("10.1.2.3/8", ("10.1.2.3", "10.0.0.1", 8)),
    ],
)
def test_the_clients_get_the_first_address_that_is_free(cidr: str, expected: tuple[str, str, int]) -> None:
    assert addresses(cidr) == expected


@pytest.mark.parametrize(
    "cidr", ["10.77.0.2", "10.77.0.0/24", "10.77.0.255/24", "10.0.0.1/31", "x/24", "224.0.0.5/24", ""]
)
def test_an_address_that_no_host_can_have_is_refused(cidr: str) -> None:
    with pytest.raises(BadSetting, match="--address"):
        settings_from({"address": cidr}, None)


@pytest.mark.parametrize(
    ("option", "text", "asked"),
    [(None, "", False), (True, "", True), (None, "ecn = true\n", True), (False, "ecn = true\n", False)],
)
def test_connections_ask_for_ecn_if_an_option_or_the_file_says_so(
    tmp_path: Path, option: bool | None, text: str, asked: bool
) -> None:
    settings = settings_from({"ecn": option}, write(tmp_path, text))
    assert boot_config(settings, "/run/x").ecn is asked


def test_secrets_are_new_for_every_boot() -> None:
    one, other = (boot_config(Settings(), "/run/x") for _ in range(2))
    assert len(one.rss_key) == 40
    assert len(one.isn_key) == 16
    assert one.rss_key != other.rss_key
    assert one.isn_key != other.isn_key
    assert one.mac != other.mac
    assert one.mac[0] & 3 == 2, "locally administered, and no group address"
