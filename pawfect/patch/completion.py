"""Prototype driver."""
from __future__ import annotations
import math
import cv2
import numpy as np
from pawfect.patch import core
from pawfect.patch.core import RADIUS, CHANNELS
from pawfect.picture import raster

P = dict(texture=4.5, coarse=54, passes=(14, 8, 5, 3), overlap=0, maxsrc=6000, decay=1.15, gauss=2.5, pct=65, fine=0.45, margin=1.0, lam=1e-3, edge=30.0)

def features(image, known):
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.int32)
    f = np.zeros((*known.shape, CHANNELS), np.int16)
    f[..., 0] = lab[..., 0]
    f[..., 1] = np.rint((lab[..., 1] - 128) * 1.5)
    f[..., 2] = np.rint((lab[..., 2] - 128) * 1.5)
    luma = lab[..., 0]
    k = known.astype(np.int32)
    for c, axis in ((3, 1), (4, 0)):
        g = np.zeros(known.shape, np.int32); n = np.zeros(known.shape, np.int32)
        a = (slice(None), slice(1, None)) if axis else (slice(1, None), slice(None))
        b = (slice(None), slice(None, -1)) if axis else (slice(None, -1), slice(None))
        both = k[a] & k[b]
        g[b] = np.abs(luma[a] - luma[b]) * both
        n[b] = both
        G = cv2.boxFilter(g.astype(np.float32), -1, (7, 7), normalize=False, borderType=cv2.BORDER_CONSTANT)
        N = cv2.boxFilter(n.astype(np.float32), -1, (7, 7), normalize=False, borderType=cv2.BORDER_CONSTANT)
        f[..., c] = np.rint(P['texture'] * G / np.maximum(N, 1))
    return f

def padded(f):
    h, w, c = f.shape
    return np.ascontiguousarray(np.pad(f, ((3, 3), (3, 3), (0, 0)), mode='edge').reshape(h + 6, (w + 6) * c))

def repad(F, w):
    V = F.reshape(F.shape[0], w + 6, CHANNELS)
    V[:, :3] = V[:, 3:4]; V[:, -3:] = V[:, -4:-3]
    V[:3] = V[3:4]; V[-3:] = V[-4:-3]

def sources_of(known):
    """Centres whose whole patch lies on known pixels inside the picture."""
    return ~raster.grow(~known, RADIUS, border=True)

def weights_of(dist, targets, depth):
    d = dist[targets]
    s2 = max(1, int(np.partition(d, int(d.size * P['pct'] / 100))[int(d.size * P['pct'] / 100)]))
    index = np.minimum((d.astype(np.int64) * 32) // s2, 511)
    w = np.zeros(dist.shape, np.int64)
    w[targets] = np.maximum(TABLE[index] * DECAY[np.minimum(depth[targets], 99)] // 4096, 1)
    return w

TABLE = np.array([round(4096 * math.exp(-i / 64)) for i in range(512)], np.int64)
DECAY = np.array([max(1, round(2**20 * 1.15 ** -i)) for i in range(100)], np.int64)
GAUSS = np.array([[round(1024 * math.exp(-(y * y + x * x) / (2 * 2.5 ** 2))) for x in range(-3, 4)] for y in range(-3, 4)], np.int64)
BEGIN = np.array([[round(1024 * math.exp(-(y * y + x * x) / (2 * 1.5 ** 2))) for x in range(-3, 4)] for y in range(-3, 4)], np.int64)
FINE = np.array([[math.exp(-(y * y + x * x) / (2 * 0.45 ** 2)) for x in range(-1, 2)] for y in range(-1, 2)])

def complete(image, hole, banned, seed):
    """image UINT8 crop, hole bool, banned bool -> src map [h,w] int32, targets"""
    known = ~hole & ~banned
    f0 = features(image, known)
    side = math.sqrt(np.count_nonzero(hole))
    bare = np.zeros_like(hole)
    if P.get('guide', 0.4):
        from pawfect.picture.tone import blur_known, membrane
        sig = max(4.0, P.get('gsig', 0.15) * math.sqrt(np.count_nonzero(hole)))
        sc = max(1, int(sig / 3))
        sz = (max(8, hole.shape[0] // sc), max(8, hole.shape[1] // sc))
        kf = known.astype(np.float32)[..., None]
        share = raster.box_mean_resize(kf, sz)
        vals = np.stack([f0[..., 0], f0[..., 1], f0[..., 3] + f0[..., 4]], -1).astype(np.float32)
        small = raster.box_mean_resize(vals * kf, sz) / np.maximum(share, 1e-6)
        ks = share[..., 0] > 0.5
        low, _ = blur_known(small, ks, sig / sc)
        low = membrane(low, ks)
        low, _ = blur_known(low, np.ones_like(ks), 1.0)
        low = raster.linear_resize(low, hole.shape)
        g = P.get('guide', 0.4)
        f0[..., 5:8] = np.rint(low * np.array([g, g, 0.5 * g], np.float32))
        guided = [f0[..., 5:8]]
    levels = [(f0, hole, known, bare)]
    while (side > P['coarse'] or len(levels) < 2):
        f, h, k, fo = levels[-1]
        if min(h.shape) < 32: break
        vis = k
        f2, whole = core.shrink(f, vis.view(np.uint8))
        f2[..., 5:8] = cv2.resize(f0[..., 5:8].astype(np.float32), (f2.shape[1], f2.shape[0]), interpolation=cv2.INTER_AREA)
        hh = cv2.resize(h.astype(np.float32), (f2.shape[1], f2.shape[0]), interpolation=cv2.INTER_AREA) > 0 if False else _any(h)
        k2 = (whole > 0) & ~hh
        fo2 = _any(fo)
        if not sources_of(k2 & ~fo2).any(): break
        levels.append((f2, hh, k2, fo2))
        side /= 2
    if P.get('strange', 0):
        f, h, k, _ = levels[-1]
        fo = strange(f, h, k, P.get('strange', 0), P.get('ring', 6))
        for li in range(len(levels) - 1, -1, -1):
            f, h, k, _ = levels[li]
            if li < len(levels) - 1:
                fo = np.repeat(np.repeat(fo, 2, 0), 2, 1)[:h.shape[0], :h.shape[1]]
            levels[li] = (f, h, k, fo & k)
    src = None
    n = len(levels)
    passes = P['passes']
    for li in range(n - 1, -1, -1):
        f, h, k, fo = levels[li]
        H, W = h.shape
        allowed = sources_of(k & ~fo)
        if not allowed.any(): allowed = sources_of(k)
        if not allowed.any(): return None
        F = padded(f)
        target = h.copy()
        if P['overlap']:
            target = raster.grow(h, P['overlap'])
        ty, tx = (a.astype(np.int64) for a in np.nonzero(target))
        hy, hx = (a.astype(np.int64) for a in np.nonzero(h))
        inside = cv2.distanceTransform(h.astype(np.uint8), cv2.DIST_C, 3).astype(np.int64) 
        al = allowed.view(np.uint8)
        spare = np.flatnonzero(allowed).astype(np.int32)
        new = np.full((H, W), -1, np.int32)
        top = li == n - 1
        if top:
            filled = np.zeros((H + 6, W + 6), np.uint8)
            filled[3:-3, 3:-3] = ~h
            order = np.argsort(inside[hy, hx], kind='stable')
            oy, ox = hy[order], hx[order]
            ends = np.cumsum(np.bincount(inside[hy, hx])[1:])
            step = max(1, -(-spare.size // P['maxsrc']))
            core.begin(F, filled, al, oy, ox, ends, spare[::step].copy(), new); repad(F, W)
            if P['overlap']:
                rim = target & ~h
                ry, rx = np.nonzero(rim)
                oy, ox = ry.astype(np.int64), rx.astype(np.int64)
                full = np.ones((H + 6, W + 6), np.uint8)
                core.begin(F.copy(), full, al, oy, ox, np.array([oy.size]), spare[::step].copy(), new)
        else:
            core.carried(src, al, ty, tx, new, np.uint64(seed + 77 * li), spare)
        src = new
        dist = np.full((H, W), 2**31 - 1, np.int32)
        if not top:
            equal = np.where(target, DECAY[np.minimum(inside, 99)], 0).astype(np.int64)
            core.vote(F, hy, hx, src, equal, GAUSS); repad(F, W)
        depth_from_top = n - 1 - li
        count = passes[min(depth_from_top, len(passes) - 1)]
        for p in range(count):
            core.measure(F, ty, tx, src, dist)
            radius = max(H, W) // 2 if (top or p == 0) else 16
            for s in range(2):
                core.scan(F, al, ty, tx, src, dist, radius, np.uint64((seed * 1000003 + li * 1009 + p * 2 + s) & (2**63 - 1)), s == 1)
            w = weights_of(dist, (ty, tx), inside)
            core.vote(F, hy, hx, src, w, GAUSS); repad(F, W)
    out = np.empty((hy.size, 3))
    core.copied(image, hy, hx, src, FINE, out)
    return src, hy, hx, out

def _any(h):
    H, W = h.shape
    p = np.zeros((H + H % 2, W + W % 2), bool)
    p[:H, :W] = h
    return p[::2, ::2] | p[1::2, ::2] | p[::2, 1::2] | p[1::2, 1::2]

def strange(f, h, k, limit, reach):
    ring = k & (raster.distance_to(h) <= reach)
    if not ring.any(): return np.zeros_like(h)
    kk = k.astype(np.float32)
    n = cv2.boxFilter(kk, -1, (5, 5), normalize=False, borderType=cv2.BORDER_CONSTANT)
    m = np.stack([cv2.boxFilter(f[..., c] * kk, -1, (5, 5), normalize=False, borderType=cv2.BORDER_CONSTANT) / np.maximum(n, 1) for c in range(5)], -1)
    m[..., 3:] *= 0.5
    have = m[ring][:: max(1, int(ring.sum()) // 400)]
    d = np.full(h.shape, 1e9, np.float32)
    for v in have:
        d = np.minimum(d, ((m - v) ** 2).sum(-1))
    return k & (d > limit * limit)

def fill_crop(image, hole, banned, seed, tone=True):
    got = complete(image, hole, banned, seed)
    if got is None: return None
    src, hy, hx, out = got
    if tone:
        out = core.toned(image, hole.view(np.uint8), banned.view(np.uint8), hy, hx, src, out, P['lam'], P['edge'])
    result = image.copy()
    result[hy, hx] = np.clip(np.rint(out), 0, 255)
    return result

def fill(image, mask, protect=None, seed=0, tone=True):
    hole = mask >= 128
    banned = np.zeros_like(hole) if protect is None else (protect >= 128) & ~hole
    from pawfect.patch.regions import crops
    result = image.copy()
    ys, xs = np.nonzero(hole)
    from pawfect.picture.box import Box, merged
    count, _, stats, _ = cv2.connectedComponentsWithStats(hole.astype(np.uint8), connectivity=8)
    def ctx(b):
        m = max(48, round(P['margin'] * max(b.width, b.height)))
        return Box(b.x0 - m, b.y0 - m, b.x1 + m, b.y1 + m)
    holes = [Box(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count].tolist()]
    groups = merged(holes, lambda a, b: ctx(a).meets(ctx(b)))
    H, W = hole.shape
    for b in map(ctx, groups):
        at = np.s_[max(0, b.y0):min(H, b.y1), max(0, b.x0):min(W, b.x1)]
        got = fill_crop(np.ascontiguousarray(image[at]), np.ascontiguousarray(hole[at]), np.ascontiguousarray(banned[at]), seed, tone)
        if got is not None:
            result[at] = np.where(hole[at][..., None], got, result[at])
    return result
