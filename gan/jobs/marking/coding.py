"""What a watermark says, as signs that survive errors: a checksum, then a convolutional code.

The code has rate 1/3 and 64 states (generators 133, 145, 175 octal; Larsen 1973, table II), and is decoded by
Viterbi's algorithm (1967) from real numbers: the surer a symbol, the more it counts.
"""

import binascii
import struct
from dataclasses import dataclass

import numpy as np

GENERATORS = (0o133, 0o145, 0o175)
MEMORY = 6  # bits that the encoder remembers
BITS = 48  # payload and checksum
SYMBOLS = (BITS + MEMORY) * len(GENERATORS)
CHANCE = 2.0**-16  # of a checksum that is right by accident


@dataclass(frozen=True, kw_only=True)
class Payload:
    """What a mark says. key: 16 bits of the operator's key id.  model: 16 bits of the model's digest."""

    key: int
    model: int

    def __post_init__(self) -> None:
        for value in (self.key, self.model):
            if not 0 <= value < 2**16:
                raise ValueError(f"a watermark holds numbers from 0 to 65535; got {value}")


def encoded(payload: Payload) -> np.ndarray:
    """+-1 [SYMBOLS]."""
    data = struct.pack(">HH", payload.key, payload.model)
    data += struct.pack(">H", _checksum(data))
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    register, symbols = 0, []
    for bit in [*bits, *[0] * MEMORY]:
        register = (register >> 1) | (int(bit) << MEMORY)
        symbols += [(register & generator).bit_count() & 1 for generator in GENERATORS]
    return 1.0 - 2.0 * np.array(symbols)


def decoded(symbols: np.ndarray) -> Payload | None:
    """The payload of real symbols [SYMBOLS], of which the sign tells; None where its checksum is wrong."""
    data = np.packbits(_viterbi(symbols.reshape(-1, len(GENERATORS)))[:BITS]).tobytes()
    key, model, checksum = struct.unpack(">HHH", data)
    return Payload(key=key, model=model) if checksum == _checksum(data[:4]) else None


def _viterbi(received: np.ndarray) -> list[int]:
    """The likeliest bits. received: [bits, symbols of one]. A state holds the last MEMORY bits."""
    states = np.arange(1 << MEMORY)
    newest = states >> (MEMORY - 1)  # the bit by which a state was reached
    before = np.stack([(states << 1) & (2**MEMORY - 1), (states << 1 | 1) & (2**MEMORY - 1)])
    register = before | (newest << MEMORY)  # [2, states]
    parity = [[[(int(r) & g).bit_count() & 1 for g in GENERATORS] for r in row] for row in register]
    expected = 1.0 - 2.0 * np.array(parity)  # [2, states, symbols]
    scores = np.full(len(states), -np.inf)
    scores[0] = 0.0
    chosen = []
    for symbol in received:
        options = scores[before] + expected @ symbol
        chosen.append(options.argmax(0))
        scores = options.max(0)
    state, bits = 0, []
    for choice in reversed(chosen):
        bits.append(int(newest[state]))
        state = int(before[choice[state], state])
    return bits[::-1]


def _checksum(data: bytes) -> int:
    return binascii.crc_hqx(data, 0xFFFF)
