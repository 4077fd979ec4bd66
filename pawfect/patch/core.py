"""The compiled core of the patch fill: features, search, votes and tone, all in numba."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

RADIUS = 3
SIDE = 2 * RADIUS + 1
CHANNELS = 8
VOTED = 5
ROW = SIDE * CHANNELS
FAR = np.int32(2**31 - 1)
_jit = njit(cache=True, nogil=True, boundscheck=False)
_inline = njit(cache=True, nogil=True, boundscheck=False, inline="always")


@_jit
def distance(f, ay, ax, by, bx, limit):
    """Sum of squared differences of the patches whose top left corners (padded) are a and b."""
    total = np.int32(0)
    a0 = np.uintp(ax * CHANNELS)
    b0 = np.uintp(bx * CHANNELS)
    for dy in range(SIDE):
        ra = f[np.uintp(ay + dy)]
        rb = f[np.uintp(by + dy)]
        part = np.int32(0)
        for k in range(ROW):
            d = np.int32(ra[a0 + np.uintp(k)]) - np.int32(rb[b0 + np.uintp(k)])
            part += np.int32(d * d)
        total += part
        if total >= limit:
            return total
    return total


@_inline
def mixed(seed, a, b):
    """A hash of three numbers, 64 bits (splitmix64; Steele, Lea and Flood, OOPSLA 2014)."""
    z = seed + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(a) * np.uint64(4096) + np.uint64(b) + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@_jit
def shrink(f, weight):
    """Halve features [h, w, C] by the mean of the known; known where all children are."""
    h, w, c = f.shape
    oh, ow = (h + 1) // 2, (w + 1) // 2
    out = np.zeros((oh, ow, c), np.int16)
    share = np.zeros((oh, ow), np.uint8)
    for y in range(oh):
        for x in range(ow):
            n = 0
            whole = True
            for yy in range(2 * y, min(2 * y + 2, h)):
                for xx in range(2 * x, min(2 * x + 2, w)):
                    if weight[yy, xx]:
                        n += 1
                    else:
                        whole = False
            share[y, x] = whole
            if n == 0:
                continue
            for k in range(c):
                s = 0
                for yy in range(2 * y, min(2 * y + 2, h)):
                    for xx in range(2 * x, min(2 * x + 2, w)):
                        if weight[yy, xx]:
                            s += f[yy, xx, k]
                out[y, x, k] = (2 * s + n) // (2 * n)
    return out, share


@_jit
def begin(f, filled, allowed, order_y, order_x, layer_ends, sources, src):
    """Fill the coarsest level layer by layer; each pixel from the best of the sources.

    f: padded [h+6, (w+6)*C]; filled: padded uint8 [h+6, w+6], what is known so far;
    sources: flat indices (unpadded width).
    """
    w = filled.shape[1] - 2 * RADIUS
    t = np.zeros((SIDE, ROW), np.int16)
    m = np.zeros((SIDE, ROW), np.int16)
    first = 0
    for layer in range(layer_ends.size):
        last = layer_ends[layer]
        for i in range(first, last):
            y, x = order_y[i], order_x[i]
            for dy in range(SIDE):
                for dx in range(SIDE):
                    on = np.int16(-1) if filled[y + dy, x + dx] else np.int16(0)
                    for k in range(CHANNELS):
                        t[dy, dx * CHANNELS + k] = f[y + dy, (x + dx) * CHANNELS + k]
                        m[dy, dx * CHANNELS + k] = on if k < VOTED else np.int16(-1)
            best = FAR
            place = sources[0]
            for j in range(sources.size):
                sy = sources[j] // w
                sx = sources[j] - sy * w
                b0 = np.uintp(sx * CHANNELS)
                total = np.int32(0)
                for dy in range(SIDE):
                    rb = f[np.uintp(sy + dy)]
                    part = np.int32(0)
                    for k in range(ROW):
                        d = (np.int32(t[dy, k]) - np.int32(rb[b0 + np.uintp(k)])) & np.int32(m[dy, k])
                        part += np.int32(d * d)
                    total += part
                    if total >= best:
                        break
                if total < best:
                    best = total
                    place = sources[j]
            src[y, x] = place
        for i in range(first, last):
            y, x = order_y[i], order_x[i]
            sy = src[y, x] // w
            sx = src[y, x] - sy * w
            for k in range(VOTED):
                f[y + RADIUS, (x + RADIUS) * CHANNELS + k] = f[sy + RADIUS, (sx + RADIUS) * CHANNELS + k]
            filled[y + RADIUS, x + RADIUS] = 1
        first = last


@_jit
def scan(f, allowed, ty, tx, src, dist, radius, seed, backward):
    """One scan of PatchMatch (Barnes et al., SIGGRAPH 2009): propagation and random search."""
    h, w = allowed.shape
    n = ty.size
    step = -1 if backward else 1
    for i in range(n):
        j = n - 1 - i if backward else i
        y, x = ty[j], tx[j]
        best = dist[y, x]
        place = src[y, x]
        by, bx = place // w, place - place // w * w
        # neighbours
        for k in range(2):
            ny = y - step if k == 0 else y
            nx = x if k == 0 else x - step
            if ny < 0 or nx < 0 or ny >= h or nx >= w:
                continue
            if src[ny, nx] < 0:
                continue
            q = src[ny, nx]
            qy, qx = q // w, q - q // w * w
            cy, cx = qy + y - ny, qx + x - nx
            if cy < 0 or cx < 0 or cy >= h or cx >= w or not allowed[cy, cx]:
                continue
            if cy == by and cx == bx:
                continue
            d = distance(f, y, x, cy, cx, best)
            if d < best:
                best, by, bx = d, cy, cx
        reach = radius
        trial = 0
        while reach >= 1:
            r = mixed(seed, y * w + x, trial)
            trial += 1
            span = np.uint64(2 * reach + 1)
            cy = by + np.int64((r & np.uint64(0xFFFFFFFF)) % span) - reach
            cx = bx + np.int64((r >> np.uint64(32)) % span) - reach
            reach //= 2
            if cy < 0 or cx < 0 or cy >= h or cx >= w or not allowed[cy, cx]:
                continue
            d = distance(f, y, x, cy, cx, best)
            if d < best:
                best, by, bx = d, cy, cx
        dist[y, x] = best
        src[y, x] = by * w + bx


@_jit
def measure(f, ty, tx, src, dist):
    w = src.shape[1]
    for i in range(ty.size):
        y, x = ty[i], tx[i]
        s = src[y, x]
        dist[y, x] = distance(f, y, x, s // w, s - s // w * w, FAR)


@_jit
def vote(f, hy, hx, src, weight, gauss):
    """Give each hole pixel the weighted mean of what the patches over it hold there."""
    h, w = src.shape
    total = np.zeros(CHANNELS, np.int64)
    new = np.zeros((hy.size, CHANNELS), np.int16)
    for i in range(hy.size):
        y, x = hy[i], hx[i]
        total[:] = 0
        mass = np.int64(0)
        for dy in range(-RADIUS, RADIUS + 1):
            cy = y + dy
            if cy < 0 or cy >= h:
                continue
            for dx in range(-RADIUS, RADIUS + 1):
                cx = x + dx
                if cx < 0 or cx >= w:
                    continue
                s = src[cy, cx]
                if s < 0:
                    continue
                g = np.int64(weight[cy, cx]) * gauss[dy + RADIUS, dx + RADIUS]
                py = s // w - dy + RADIUS
                px = (s - s // w * w - dx + RADIUS) * CHANNELS
                mass += g
                for k in range(VOTED):
                    total[k] += g * f[py, px + k]
        for k in range(VOTED):
            new[i, k] = (2 * total[k] + mass) // (2 * mass)
    for i in range(hy.size):
        for k in range(VOTED):
            f[hy[i] + RADIUS, (hx[i] + RADIUS) * CHANNELS + k] = new[i, k]


@_jit
def carried(coarse, allowed, ty, tx, src, seed, spare):
    """Carry offsets up by two; where a source is not allowed, take a random one of `spare`."""
    ch, cw = coarse.shape
    h, w = allowed.shape
    for i in range(ty.size):
        y, x = ty[i], tx[i]
        cy, cx = min(y // 2, ch - 1), min(x // 2, cw - 1)
        s = coarse[cy, cx]
        ok = False
        if s >= 0:
            sy = 2 * (s // cw) + y - 2 * cy
            sx = 2 * (s - s // cw * cw) + x - 2 * cx
            ok = 0 <= sy < h and 0 <= sx < w and allowed[sy, sx]
            if ok:
                src[y, x] = sy * w + sx
        if not ok:
            src[y, x] = spare[np.int64(mixed(seed, y * w + x, 4000) % np.uint64(spare.size))]


@_jit
def copied(image, hy, hx, src, gauss, out):
    """Copy the photo's own colours: the vote of the 3 x 3 patches' middles, FLOAT64 [n, 3]."""
    h, w = src.shape
    for i in range(hy.size):
        y, x = hy[i], hx[i]
        r = g = b = 0.0
        mass = 0.0
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                cy, cx = y + dy, x + dx
                if cy < 0 or cx < 0 or cy >= h or cx >= w or src[cy, cx] < 0:
                    continue
                s = src[cy, cx]
                py, px = s // w - dy, s - s // w * w - dx
                k = gauss[dy + 1, dx + 1]
                mass += k
                r += k * image[py, px, 0]
                g += k * image[py, px, 1]
                b += k * image[py, px, 2]
        out[i, 0], out[i, 1], out[i, 2] = r / mass, g / mass, b / mass


@_jit
def toned(image, hole, banned, hy, hx, src, copies, lam, edge):
    """Solve the screened Poisson equation on the copied gradients by conjugate gradients."""
    h, w = src.shape
    n = hy.size
    number = np.full((h, w), -1, np.int64)
    for i in range(n):
        number[hy[i], hx[i]] = i
    right = np.zeros((n, 3))
    diag = np.full(n, lam)
    link = np.full((n, 4), -1, np.int64)
    weight = np.zeros((n, 4))
    for i in range(n):
        y, x = hy[i], hx[i]
        s = src[y, x]
        sy, sx = s // w, s - s // w * w
        for k in range(3):
            right[i, k] += lam * copies[i, k]
        for e in range(4):
            dy = -1 if e == 0 else (1 if e == 1 else 0)
            dx = -1 if e == 2 else (1 if e == 3 else 0)
            qy, qx = y + dy, x + dx
            if qy < 0 or qx < 0 or qy >= h or qx >= w:
                continue
            j = number[qy, qx]
            if j < 0:
                if banned[qy, qx]:
                    continue
                # the rim: gradient from the source, weight by how unlike the copy is to what is there
                e2 = 0.0
                for k in range(3):
                    d = float(image[sy + dy, sx + dx, k]) - float(image[qy, qx, k])
                    e2 += d * d
                wt = 1.0 / (1.0 + e2 / (edge * edge))
                diag[i] += wt
                for k in range(3):
                    g = float(image[sy, sx, k]) - float(image[sy + dy, sx + dx, k])
                    right[i, k] += wt * (float(image[qy, qx, k]) + g)
            else:
                t = src[qy, qx]
                uy, ux = t // w, t - t // w * w
                e2 = 0.0
                for k in range(3):
                    one = float(image[sy + dy, sx + dx, k]) - float(image[uy, ux, k])
                    other = float(image[uy - dy, ux - dx, k]) - float(image[sy, sx, k])
                    e2 += 0.5 * (one * one + other * other)
                wt = 1.0 / (1.0 + e2 / (edge * edge))
                link[i, e] = j
                weight[i, e] = wt
                diag[i] += wt
                for k in range(3):
                    g = 0.5 * (
                        float(image[sy, sx, k]) - float(image[sy + dy, sx + dx, k])
                        + float(image[uy - dy, ux - dx, k]) - float(image[uy, ux, k])
                    )
                    right[i, k] += wt * g
    result = copies.copy()
    p = np.empty(n)
    r = np.empty(n)
    q = np.empty(n)
    z = np.empty(n)
    for k in range(3):
        u = result[:, k].copy()
        for i in range(n):
            v = diag[i] * u[i]
            for e in range(4):
                if link[i, e] >= 0:
                    v -= weight[i, e] * u[link[i, e]]
            r[i] = right[i, k] - v
        rz = 0.0
        for i in range(n):
            z[i] = r[i] / diag[i]
            p[i] = z[i]
            rz += r[i] * z[i]
        for it in range(400):
            worst = 0.0
            pq = 0.0
            for i in range(n):
                v = diag[i] * p[i]
                for e in range(4):
                    if link[i, e] >= 0:
                        v -= weight[i, e] * p[link[i, e]]
                q[i] = v
                pq += p[i] * v
            if pq <= 0:
                break
            a = rz / pq
            new = 0.0
            for i in range(n):
                u[i] += a * p[i]
                r[i] -= a * q[i]
                z[i] = r[i] / diag[i]
                new += r[i] * z[i]
            if new < 1e-3 * n * lam * 4:
                break
            b = new / rz
            rz = new
            for i in range(n):
                p[i] = z[i] + b * p[i]
        result[:, k] = u
    return result
