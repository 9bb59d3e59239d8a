"""A small picture to send: a hill under a sun, in colours that its number chooses."""

from __future__ import annotations

import colorsys
import math
import struct
import zlib

WIDTH, HEIGHT = 320, 214


def _rgb(hue: float, light: float, saturation: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(hue % 1.0, light, saturation)
    return int(red * 255), int(green * 255), int(blue * 255)


def picture(number: int) -> bytes:
    """PNG, WIDTH x HEIGHT."""
    hue = 0.57 + 0.13 * number
    sun_x, sun_y, radius = WIDTH * (0.3 + 0.17 * (number % 4)), HEIGHT * 0.36, HEIGHT * 0.15
    far, near = _rgb(hue + 0.12, 0.42, 0.35), _rgb(hue + 0.2, 0.27, 0.42)
    far_edge = [HEIGHT * (0.66 + 0.07 * math.sin(x / 41 + number)) for x in range(WIDTH)]
    near_edge = [HEIGHT * (0.82 + 0.06 * math.sin(x / 29 + 2 * number)) for x in range(WIDTH)]
    rows = bytearray()
    for y in range(HEIGHT):
        sky = _rgb(hue + 0.05 * y / HEIGHT, 0.66 + 0.24 * y / HEIGHT, 0.62)
        rows.append(0)
        for x in range(WIDTH):
            colour = sky
            if math.hypot(x - sun_x, y - sun_y) < radius:
                colour = (255, 244, 214)
            if y > far_edge[x]:
                colour = far
            if y > near_edge[x]:
                colour = near
            rows += bytes(colour)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
