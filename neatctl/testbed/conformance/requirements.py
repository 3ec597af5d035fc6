"""The requirements of RFC 9293, appendix B, and where this stack stands on each, in its order.

A row is data: the RFC's id and level, what is required in a few words, and the standing. Which tests show it is not
written here but found (ledger.py). Rows of the same id are told apart by `word`, which their tests carry.
"""

from __future__ import annotations

from typing import NamedTuple

IMPLEMENTED = "implemented"
NOT_APPLICABLE = "not applicable"
DEVIATES = "deviates"
_ROUTES = "packets with source routes are not routed back: RFC 7126 has them dropped"


class Requirement(NamedTuple):
    """One line of the appendix."""

    id: str
    level: str
    what: str
    standing: str = IMPLEMENTED
    reason: str = ""
    word: str = ""
    """Tests of this row carry it too, where an id has several rows."""


REQUIREMENTS = (
    Requirement("MAY-16", "MAY", "octets that are not pushed may be collected"),
    Requirement("SHLD-27", "SHOULD", "the sender makes one PSH of many"),
    Requirement("MAY-15", "MAY", "SEND may say PUSH", DEVIATES, "every write is pushed at its end"),
    Requirement("MUST-60", "MUST NOT", "without a PUSH flag octets wait for ever"),
    Requirement("MUST-61", "MUST", "without a PUSH flag the last segment has PSH"),
    Requirement(
        "MAY-17", "MAY", "PSH may be passed to the application", DEVIATES, "octets are delivered at once anyway"
    ),
    Requirement("SHLD-28", "SHOULD", "segments are as large as may be"),
    Requirement("MUST-1", "MUST", "windows are unsigned numbers"),
    Requirement("REC-1", "SHOULD", "windows are held in 32 bits"),
    Requirement("SHLD-14", "SHOULD NOT", "the right edge of the receive window moves left"),
    Requirement("SHLD-15", "SHOULD NOT", "new octets are sent when the peer's window shrinks"),
    Requirement("SHLD-16", "SHOULD", "old octets within a shrunk window are sent again"),
    Requirement("SHLD-17", "SHOULD NOT", "a connection times out for octets beyond a shrunk window"),
    Requirement("MUST-34", "MUST", "a shrinking window breaks nothing"),
    Requirement("MAY-8", "MAY", "a receiver may keep its window closed for ever"),
    Requirement("MUST-35", "MUST", "a closed window is probed"),
    Requirement("MUST-36", "MUST", "the sender probes a closed window"),
    Requirement("SHLD-29", "SHOULD", "the first probe comes after the retransmission timeout"),
    Requirement("SHLD-30", "SHOULD", "probes back off exponentially"),
    Requirement("MUST-37", "MUST", "a peer that answers may keep its window closed"),
    Requirement(
        "MAY-7", "MAY", "old octets beyond the window may be sent again", DEVIATES, "what is sent stays in the window"
    ),
    Requirement("MUST-66", "MUST", "RST and URG count with a closed window too"),
    Requirement("MUST-30", "MUST", "the urgent pointer is supported"),
    Requirement("MUST-62", "MUST", "the pointer names the first octet that is not urgent"),
    Requirement("MUST-31", "MUST", "urgent octets may be any number"),
    Requirement("MUST-32", "MUST", "the application is told of urgent octets"),
    Requirement("MUST-33", "MUST", "the application can learn how many octets are urgent"),
    Requirement("SHLD-13", "SHOULD NOT", "applications use urgent octets", NOT_APPLICABLE, "a rule for applications"),
    Requirement("MUST-4", "MUST", "end of list, no operation and MSS are known options"),
    Requirement("MUST-5", "MUST", "an option may come in any segment"),
    Requirement("MUST-6", "MUST", "unknown options are passed over"),
    Requirement("MUST-68", "MUST", "every option but the two single ones has its length"),
    Requirement("MUST-7", "MUST", "an illegal option length breaks nothing"),
    Requirement("MUST-64", "MUST", "options need no alignment"),
    Requirement("MUST-14", "MUST", "the MSS option is sent and taken"),
    Requirement("SHLD-5", "SHOULD", "the MSS option is sent unless it is 536 (IPv4)"),
    Requirement("SHLD-5", "SHOULD", "the MSS option is sent unless it is 1220 (IPv6)", word="ipv6"),
    Requirement("MAY-3", "MAY", "the MSS option may be sent always"),
    Requirement("MUST-15", "MUST", "without the option the MSS is 536 (IPv4)"),
    Requirement("MUST-15", "MUST", "without the option the MSS is 1220 (IPv6)", word="ipv6"),
    Requirement("MUST-16", "MUST", "the effective MSS is calculated"),
    Requirement(
        "SHLD-6",
        "SHOULD",
        "the MSS sent is of the interface's smallest MTU",
        NOT_APPLICABLE,
        "the MTU of the link does not change from packet to packet",
    ),
    Requirement("MUST-65", "MUST NOT", "the MSS option is on a segment without SYN"),
    Requirement("MUST-67", "MUST", "the MSS that is sent follows from what can be received"),
    Requirement("MUST-69", "MUST", "the header is padded with zeros"),
    Requirement("MUST-2", "MUST", "what is sent has its checksum"),
    Requirement("MUST-3", "MUST", "what arrives under a wrong checksum is dropped"),
    Requirement("MUST-8", "MUST", "the ISN grows by a clock"),
    Requirement("SHLD-1", "SHOULD", "the ISN comes from a pseudo-random function too"),
    Requirement("MUST-9", "MUST NOT", "outsiders can compute that function"),
    Requirement("MUST-10", "MUST", "both ends may open at once"),
    Requirement("MUST-11", "MUST", "SYN-RECEIVED knows whether it came from LISTEN or SYN-SENT"),
    Requirement("MUST-41", "MUST NOT", "a passive open disturbs others"),
    Requirement("MUST-42", "MUST", "one port may have many connections and a listener"),
    Requirement("MUST-44", "MUST", "IP chooses the source address of a SYN"),
    Requirement("MUST-45", "MUST", "later segments have the connection's address"),
    Requirement("MUST-46", "MUST NOT", "a connection is opened to a broadcast or multicast address", word="refused"),
    Requirement("MUST-57", "MUST", "a segment to a broadcast or multicast address is dropped in silence"),
    Requirement("SHLD-2", "SHOULD", "a RST may carry octets"),
    Requirement("MUST-12", "MUST", "the application learns of a reset"),
    Requirement("MAY-1", "MAY", "a close may end both directions"),
    Requirement("SHLD-3", "SHOULD", "a close that loses octets sends RST"),
    Requirement("MUST-13", "MUST", "TIME-WAIT lasts 2 MSL"),
    Requirement("MAY-2", "MAY", "a new SYN may end TIME-WAIT"),
    Requirement("SHLD-4", "SHOULD", "timestamps shorten TIME-WAIT"),
    Requirement("MUST-19", "MUST", "back-off, slow start and congestion avoidance"),
    Requirement("MAY-4", "MAY", "a retransmission may keep its IP identification", DEVIATES, "each packet has its own"),
    Requirement("MUST-18", "MUST", "retransmitted segments measure no round trip"),
    Requirement("MUST-58", "MUST", "octets and acknowledgments are put together"),
    Requirement("SHLD-31", "SHOULD", "octets out of order are kept"),
    Requirement("MUST-59", "MUST", "all that is kept is processed before the ACK"),
    Requirement("MAY-13", "MAY", "an ACK may answer a segment out of order"),
    Requirement("SHLD-18", "SHOULD", "acknowledgments are delayed"),
    Requirement("MUST-40", "MUST", "for less than half a second"),
    Requirement("SHLD-19", "SHOULD", "every second full segment is acknowledged"),
    Requirement("MUST-39", "MUST", "the receiver avoids silly windows"),
    Requirement("MUST-49", "MUST", "the TTL can be set", DEVIATES, "it is 64"),
    Requirement("MUST-38", "MUST", "the sender avoids silly windows"),
    Requirement("SHLD-7", "SHOULD", "Nagle's algorithm"),
    Requirement("MUST-17", "MUST", "the application can turn it off"),
    Requirement("MUST-20", "MUST", "after R1 retransmissions IP is told", word="r1"),
    Requirement("MUST-20", "MUST", "after R2 retransmissions the connection ends"),
    Requirement("MUST-21", "MUST", "the application can set R2"),
    Requirement("SHLD-9", "SHOULD", "the application is told between R1 and R2", DEVIATES, "it is told at R2"),
    Requirement("SHLD-10", "SHOULD", "R1 is 3 or more", DEVIATES, "it is 1: to ask a neighbour costs a frame"),
    Requirement("SHLD-11", "SHOULD", "R2 is 100 seconds or more"),
    Requirement("MUST-22", "MUST", "the same goes for SYNs"),
    Requirement("MUST-23", "MUST", "R2 of a SYN is at least 3 minutes"),
    Requirement("MAY-5", "MAY", "keep-alive"),
    Requirement("MUST-24", "MUST", "the application asks for keep-alive"),
    Requirement("MUST-25", "MUST", "keep-alive is off by default"),
    Requirement("MUST-26", "MUST", "keep-alive only after idleness"),
    Requirement("MUST-27", "MUST", "the interval can be set"),
    Requirement("MUST-28", "MUST", "the interval is two hours by default"),
    Requirement("MUST-29", "MUST", "lost answers do not end a connection"),
    Requirement("SHLD-12", "SHOULD", "keep-alives have no octets"),
    Requirement("MAY-6", "MAY", "keep-alives may have an octet", DEVIATES, "ours have none"),
    Requirement("MUST-50", "MUST", "unknown IP options are passed over"),
    Requirement("MAY-10", "MAY", "the IP timestamp option", DEVIATES, "it is passed over"),
    Requirement("MAY-11", "MAY", "the IP record route option", DEVIATES, "it is passed over"),
    Requirement("MUST-51", "MUST", "the application can give a source route", DEVIATES, _ROUTES),
    Requirement("MUST-52", "MUST", "it comes before the route of a packet", DEVIATES, _ROUTES),
    Requirement("MUST-53", "MUST", "a source route makes a way back", DEVIATES, _ROUTES),
    Requirement("SHLD-24", "SHOULD", "a later source route comes first", DEVIATES, _ROUTES),
    Requirement("MUST-54", "MUST", "ICMP messages reach TCP"),
    Requirement("SHLD-25", "SHOULD", "unreachable 0, 1, 5: the application is told"),
    Requirement("MUST-56", "MUST NOT", "unreachable 0, 1, 5: the connection ends"),
    Requirement(
        "SHLD-26",
        "SHOULD",
        "unreachable 2 to 4: the connection ends",
        DEVIATES,
        "an open ends; an established connection takes it for a soft error (RFC 5927)",
    ),
    Requirement("MUST-55", "MUST", "source quench is dropped in silence"),
    Requirement("MUST-56", "MUST NOT", "time exceeded: the connection ends", word="time_exceeded"),
    Requirement("MUST-56", "MUST NOT", "parameter problem: the connection ends", word="parameter_problem"),
    Requirement("MUST-46", "MUST", "an open to an invalid address is refused", word="refused"),
    Requirement("MUST-63", "MUST", "a SYN from an invalid address is dropped"),
    Requirement("MUST-57", "MUST", "a SYN to a broadcast or multicast address is dropped in silence"),
    Requirement(
        "MUST-47",
        "MUST",
        "soft errors are reported",
        DEVIATES,
        "kept, and told when the connection ends for its silence",
    ),
    Requirement("SHLD-20", "SHOULD", "the reports can be turned off", NOT_APPLICABLE, "nothing is told before the end"),
    Requirement("MUST-48", "MUST", "the application can set the Diffserv field", DEVIATES, "it is 0"),
    Requirement("SHLD-22", "SHOULD", "the Diffserv field is passed on unchanged", DEVIATES, "it is 0"),
    Requirement("SHLD-21", "SHOULD", "the Diffserv field can change", DEVIATES, "it is 0"),
    Requirement(
        "SHLD-23", "SHOULD NOT", "applications change the Diffserv field", NOT_APPLICABLE, "a rule for applications"
    ),
    Requirement("MAY-9", "MAY", "the Diffserv field of what arrives is told", DEVIATES, "it is not"),
    Requirement("MAY-14", "MAY", "a FLUSH call", DEVIATES, "there is none: nothing is held for long"),
    Requirement("MUST-43", "MUST", "OPEN may name a local address"),
    Requirement("MAY-12", "MAY", "protection against injected octets"),
    Requirement("SHLD-8", "SHOULD", "ECN"),
    Requirement("MAY-18", "MAY", "other algorithms that conform"),
)
"""All of appendix B."""
