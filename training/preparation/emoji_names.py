"""Captions and classes of emoji, from nothing but their code points.

An emoji is a sequence of Unicode code points, written as OpenMoji names its files: "1F600", "1F1E9-1F1EA".

Classes: OpenMoji's list of groups is not in its package, so the class is read off the code points. Two
regional indicators are a flag; otherwise the first code point decides, by the runs that Unicode laid emoji
out in.
"""

import functools
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping

_JOINERS = {0x200D, 0xFE0F}  # zero-width joiner, emoji presentation: they show nothing of their own
_REGIONAL = range(0x1F1E6, 0x1F200)  # the letters A to Z of flags
_TAGS = range(0xE0020, 0xE007F)  # ASCII shifted up: the region of flags such as Wales; 0xE007F ends the tag

# class -> the code points at which a run of it starts; a run ends where the next run of any class starts
_RUNS: dict[str, tuple[int, ...]] = {
    "smileys": (0x2639, 0x1F479, 0x1F47D, 0x1F4A9, 0x1F600, 0x1F910, 0x1F920, 0x1F927, 0x1F970)
    + (0x1F978, 0x1F9D0, 0x1FAE0),
    "people": (0x26F9, 0x1F385, 0x1F3C2, 0x1F3C7, 0x1F3CA, 0x1F463, 0x1F47C, 0x1F481, 0x1F486)
    + (0x1F48F, 0x1F491, 0x1F574, 0x1F57A, 0x1F5E3, 0x1F645, 0x1F64B, 0x1F64D, 0x1F6A3)
    + (0x1F6B4, 0x1F6C0, 0x1F6CC, 0x1F926, 0x1F930, 0x1F933, 0x1F977, 0x1F9B8, 0x1F9CC)
    + (0x1F9D1, 0x1FAC2, 0x1FBC5),
    "body": (0x261D, 0x270A, 0x1F440, 0x1F485, 0x1F4AA, 0x1F590, 0x1F64C, 0x1F64F, 0x1F90C)
    + (0x1F90F, 0x1F918, 0x1F932, 0x1F9B4, 0x1F9BB, 0x1F9BE, 0x1FAC0, 0x1FAF0),
    "nature": (0x2600, 0x26C4, 0x1F300, 0x1F330, 0x1F337, 0x1F400, 0x1F490, 0x1F525, 0x1F577)
    + (0x1F648, 0x1F940, 0x1F980, 0x1FAB0, 0x1FACD),
    "food": (0x2615, 0x1F32D, 0x1F336, 0x1F345, 0x1F942, 0x1F950, 0x1F9C0, 0x1FAD0),
    "places": (0x2693, 0x26E9, 0x26FA, 0x2708, 0x1F3CD, 0x1F3D4, 0x1F492, 0x1F54B, 0x1F5FA)
    + (0x1F680, 0x1F6B2, 0x1F6D5, 0x1F6DD, 0x1F6E3),
    "activities": (0x26BD, 0x26F7, 0x1F004, 0x1F380, 0x1F386, 0x1F38D, 0x1F3C5, 0x1F3C8, 0x1F3CF)
    + (0x1F3F8, 0x1F93F, 0x1F945),
    "objects": (0x231A, 0x2328, 0x23F0, 0x260E, 0x2692, 0x2694, 0x26CF, 0x2702, 0x2709)
    + (0x270E, 0x1F3F5, 0x1F3FA, 0x1F451, 0x1F484, 0x1F488, 0x1F48C, 0x1F4A1, 0x1F4A3)
    + (0x1F4B0, 0x1F50B, 0x1F526, 0x1F56F, 0x1F576, 0x1F579, 0x1F587, 0x1F5A5, 0x1F5F3)
    + (0x1F6AA, 0x1F6CB, 0x1F6CD, 0x1F6E0, 0x1F941, 0x1F97B, 0x1F9AF, 0x1F9BA, 0x1F9BC)
    + (0x1F9E0, 0x1FA70, 0x1FA78),
    "symbols": (0x0, 0x231C, 0x2329, 0x23F4, 0x2605, 0x260F, 0x2616, 0x2620, 0x2640)
    + (0x2695, 0x26CE, 0x26D4, 0x2705, 0x2714, 0x1F10D, 0x1F3FB, 0x1F493, 0x1F4A0)
    + (0x1F4A2, 0x1F4A4, 0x1F4AB, 0x1F500, 0x1F518, 0x1F52F, 0x1F54D, 0x1F5A4, 0x1F5E8)
    + (0x1F6AB, 0x1F6B3, 0x1F6B7, 0x1F6C1, 0x1F6DC, 0x1F7E0, 0x1F90D, 0x1FA75),
    "flags": (0x1F38C, 0x1F3C1, 0x1F3F3, 0x1F6A9),
    "extras": (0xE000,),  # private use: OpenMoji's own additions, which have no Unicode name
}
CLASSES: tuple[str, ...] = tuple(_RUNS)


def emoji_class(codes: str) -> str:
    """The class, one of CLASSES, of an emoji written as "1F1E9-1F1EA"."""
    points = _points(codes)
    if len(points) == 2 and all(point in _REGIONAL for point in points):
        return "flags"
    starts, names = _starts()
    return names[bisect_right(starts, points[0]) - 1]


def emoji_text(codes: str) -> str:
    """The characters of an emoji written as "1F1E9-1F1EA"."""
    return "".join(map(chr, _points(codes)))


def emoji_caption(codes: str, english: Mapping[str, str]) -> str:
    """English name of an emoji written as "1F1E9-1F1EA".

    `english` holds the names by characters, as the `emoji` package words them (":Fiji:"). What it lacks is
    named after its parts: region letters for a flag, Unicode names for characters, the code for private ones.
    """
    points = _points(codes)
    name = english.get(emoji_text(codes), "").strip(":").replace("_", " ")
    if name:
        return f"flag: {name}" if all(point in _REGIONAL for point in points) else name
    if region := "".join(chr(point - 0xE0000) for point in points if point in _TAGS):
        return f"flag: {region[:2].upper()}-{region[2:].upper()}"
    parts = [point for point in points if point not in _JOINERS]
    return ", ".join(_character_name(point, english) for point in parts)


def _character_name(point: int, english: Mapping[str, str]) -> str:
    """Name of one character; the emoji name reads better than the Unicode one."""
    for text in (chr(point), chr(point) + "\ufe0f"):
        if text in english:
            return english[text].strip(":").replace("_", " ")
    return unicodedata.name(chr(point), "").lower() or f"OpenMoji {point:04X}"


def _points(codes: str) -> list[int]:
    return [int(part, 16) for part in codes.split("-")]


@functools.cache
def _starts() -> tuple[list[int], list[str]]:
    """Starts of all runs in rising order, and the class of each."""
    runs = sorted((start, name) for name, starts in _RUNS.items() for start in starts)
    return [start for start, _ in runs], [name for _, name in runs]
