"""Minimax coefficients of the kernels in src/exec/math/coefficients.rs.

Weighted Remez exchange on a dense Chebyshev grid in 50-digit arithmetic. Coefficients are rounded
to the target format one by one, lowest order first, and the rest is fitted again after each.
"""
import sys
import numpy as np
from mpmath import mp, mpf, matrix, lu_solve, exp, expm1, log, sin, cos, tanh, atan, erf, erfc, erfinv, sqrt, pi, cosh, loggamma, digamma
mp.dps = 50

def grid(a, b, n=1500):
    a, b = mpf(a), mpf(b)
    return [(a + b) / 2 - (b - a) / 2 * cos(pi * i / (n - 1)) for i in range(n)]

def remez(xs, fs, ws, powers):
    """Coefficients c of sum c_k x^powers[k] minimising max w*|f - p|; and that maximum."""
    n = len(powers)
    if n == 0:
        return [], max(abs(w * f) for w, f in zip(ws, fs))
    m = len(xs)
    ref = [int(round((m - 1) * (1 - np.cos(np.pi * i / n)) / 2)) for i in range(n + 1)]
    ref = sorted(set(ref))
    assert len(ref) == n + 1
    P = [[x ** p if p else mpf(1) for p in powers] for x in xs]
    for it in range(60):
        A = matrix(n + 1, n + 1); b = matrix(n + 1, 1)
        for i, j in enumerate(ref):
            for k in range(n): A[i, k] = P[j][k]
            A[i, n] = (-1) ** i / ws[j]
            b[i] = fs[j]
        s = lu_solve(A, b)
        c = [s[k] for k in range(n)]
        e = [w * (f - sum(ck * pk for ck, pk in zip(c, row))) for w, f, row in zip(ws, fs, P)]
        # local extrema with alternating signs
        ext = []
        for i in range(m):
            if ext and (e[i] > 0) == (e[ext[-1]] > 0):
                if abs(e[i]) > abs(e[ext[-1]]): ext[-1] = i
            else:
                ext.append(i)
        if len(ext) < n + 1:
            break
        while len(ext) > n + 1:
            if abs(e[ext[0]]) < abs(e[ext[-1]]): ext.pop(0)
            else: ext.pop()
        worst = max(abs(v) for v in e); level = abs(s[n])
        ref = ext
        if worst <= level * mpf('1.0001'): break
    return c, worst

def to_format(v, fmt):
    if fmt == 'f32': return mpf(float(np.float32(float(v))))
    return mpf(float(v))

def fit(name, fmt, f, w, a, b, terms, at_once=False):
    xs = grid(a, b)
    fs = [f(x) for x in xs]; ws = [w(x) for x in xs]
    out = []
    rest = list(range(terms))
    c, worst0 = remez(xs, fs, ws, rest)
    while rest:
        if not at_once: c, worst = remez(xs, fs, ws, rest)
        v = to_format(c[len(out) if at_once else 0], fmt)
        out.append(v)
        p = rest.pop(0)
        fs = [fv - v * x ** p for fv, x in zip(fs, xs)]
    final = max(abs(fv * wv) for fv, wv in zip(fs, ws))
    print(f"{name} {fmt}: terms {terms} ideal 2^{float(log(worst0, 2)):.2f} rounded 2^{float(log(final, 2)):.2f}", flush=True)
    for v in out: print("   ", repr(float(v)) if fmt == 'f64' else repr(np.float32(float(v))) )
    return out

def nz(x, f, at0):
    return f(x) if x != 0 else mpf(at0)

which = sys.argv[1]
F = lambda fmt, a, b: a if fmt == 'f32' else b
fmts = ['f32', 'f64']
if which == 'exp':
    h = mpf('0.3467')
    for fmt in fmts:
        # relative error of e^r - 1 = r + r^2 p(r)
        fit('EXP', fmt, lambda r: nz(r, lambda r: (expm1(r) - r) / r**2, .5), lambda r: sqrt(r*r + mpf('0.003')), -h, h, F(fmt, 5, 10), at_once=True)
if which == 'log':
    s2 = mpf('0.17158')**2
    def L(z):
        if z < mpf(10)**-20: return mpf(2)/3
        s = sqrt(z); return (log((1+s)/(1-s)) - 2*s)/(s*z)
    for fmt in fmts:
        fit('LOG', fmt, L, lambda z: z/2 + mpf(10)**-9, 0, s2, F(fmt, 3, 7))
        if fmt == 'f32': fit('LOG', fmt, L, lambda z: z/2 + mpf(10)**-9, 0, s2, 4)
if which == 'sin':
    z1 = mpf('0.80')**2
    for fmt in fmts:
        fit('SIN', fmt, lambda z: nz(z, lambda z: (sin(sqrt(z))/sqrt(z) - 1)/z, -mpf(1)/6), lambda z: z + mpf(10)**-9, 0, z1, F(fmt, 3, 6))
        fit('COS', fmt, lambda z: nz(z, lambda z: (cos(sqrt(z)) - 1 + z/2)/z**2, mpf(1)/24), lambda z: z**2 + mpf(10)**-9, 0, z1, F(fmt, 3, 6))
if which == 'erf':
    T = mpf(1)
    c = 2/sqrt(pi)
    for fmt in fmts:
        for n in F(fmt, [6, 7], [10, 11, 12]):
            fit('ERF_SMALL', fmt, lambda z: nz(z, lambda z: erf(sqrt(z))/sqrt(z) - 1, c - 1), lambda z: nz(z, lambda z: sqrt(z)/erf(sqrt(z)), 1), 0, T*T, n)
if which == 'erfl':
    for fmt in fmts:
        lo, hi = mpf(1), F(fmt, mpf('3.93'), mpf('5.93'))
        for n in F(fmt, [7], [18]):
            # absolute error of exp(-H) = weight * error of H
            fit('ERF_LARGE', fmt, lambda a: -log(erfc(a)), lambda a: erfc(a), lo, hi, n, at_once=True)
if which == 'tanh':
    T = mpf('0.625')
    def f(z): return nz(z, lambda z: (tanh(sqrt(z))/sqrt(z) - 1)/z, -mpf(1)/3)
    def rational(fmt, np_, nq):
        """P (np_ terms) over monic Q of degree nq; relative error of tanh is about z*|f - P/Q|."""
        xs = grid(0, T*T, 160); fs = [f(x) for x in xs]; ws = [x + mpf(10)**-6 for x in xs]
        law = [mpf(1)]*len(xs); qp = [mpf(1)]*len(xs); best = None
        def solve(fixed, lawson_rounds):
            nonlocal qp
            free = [('p',i) for i in range(np_)] + [('q',i) for i in range(nq)]
            free = [k for k in free if k not in fixed]
            law = [mpf(1)]*len(xs); best=(mpf(10),None)
            for rnd in range(lawson_rounds):
                A = matrix(len(free), len(free)); b = matrix(len(free), 1)
                for x, fv, w, l, q in zip(xs, fs, ws, law, qp):
                    ww = l*(w/q)**2
                    def col(k): return x**k[1] if k[0]=='p' else -fv*x**k[1]
                    rhs = fv*x**nq - sum(v*col(k) for k, v in fixed.items())
                    cols = [col(k) for k in free]
                    for i in range(len(free)):
                        b[i] += ww*cols[i]*rhs
                        for j in range(len(free)): A[i,j] += ww*cols[i]*cols[j]
                s = lu_solve(A, b)
                val = dict(fixed); val.update({k: s[i] for i,k in enumerate(free)})
                Q = [sum(val['q',i]*x**i for i in range(nq)) + x**nq for x in xs]
                E = [abs(w*(fv - sum(val['p',i]*x**i for i in range(np_))/q)) for x, fv, w, q in zip(xs, fs, ws, Q)]
                if max(E) < best[0]: best = (max(E), val)
                qp = Q
                law = [l*(e/max(E) + mpf('1e-3')) for l, e in zip(law, E)]
                t = sum(law); law = [l/t for l in law]
            return best
        ideal = solve({}, 40)
        fixed = {}
        print(f"TANH {fmt} {np_}/{nq}: ideal 2^{float(log(ideal[0],2)):.2f}", flush=True)
        order = [('q',nq-1-i) for i in range(nq)] + [('p',np_-1-i) for i in range(np_)]
        cur = ideal
        # q first, p0 last
        for k in order:
            fixed[k] = to_format(cur[1][k], fmt)
            if len(fixed) < len(order): cur = solve(fixed, 15)
        val = fixed
        E = max(abs(w*(fv - sum(val['p',i]*x**i for i in range(np_))/(sum(val['q',i]*x**i for i in range(nq)) + x**nq))) for x, fv, w in zip(xs, fs, ws))
        print(f"   rounded 2^{float(log(E,2)):.2f}", "P", [float(val['p',i]) for i in range(np_)], "Q", [float(val['q',i]) for i in range(nq)], flush=True)
    for a in sys.argv[2:]:
        fmt, n, m = a.split(',')
        rational(fmt, int(n), int(m))
if which == 'tanhpoly':
    T = mpf('0.55')
    for n in (3,4,5):
        fit('TANHP', 'f32', lambda z: nz(z, lambda z: (tanh(sqrt(z))/sqrt(z) - 1)/z, -mpf(1)/3), lambda z: z + mpf(10)**-6, 0, T*T, n)
if which == 'atan':
    for fmt in fmts:
        # relative error of atan(t) = t + t z p(z)
        for n in F(fmt, [9], [19]):
            fit('ATAN', fmt, lambda z: nz(z, lambda z: (atan(sqrt(z))/sqrt(z) - 1)/z, -mpf(1)/3), lambda z: z*(1 + z/3) + mpf(10)**-9, 0, 1, n)
if which == 'erfcx':
    for fmt in fmts:
        K = F(fmt, mpf(2), mpf(4))
        def f(q):
            if q > mpf('0.999999'): return 2/sqrt(pi)
            x = K*(1 + q)/(1 - q)
            if x > 1000: return (1 + 2*x)/(x*sqrt(pi))*(1 - 1/(2*x*x) + 3/(4*x**4) - 15/(8*x**6) + 105/(16*x**8))
            return (1 + 2*x)*exp(x*x)*erfc(x)
        for n in F(fmt, [11], [23]):
            fit('ERFCX', fmt, f, lambda q: 1/f(q), -1, 1, n, at_once=True)
def quantile(w):
    """erfinv(x)/x where w = -log(1 - x^2)."""
    if w < 1:
        x = sqrt(-expm1(-w)) if w else mpf(0)
        return erfinv(x)/x if x else sqrt(pi)/2
    e = exp(-w); x = sqrt(1 - e); L = -w - log(1 + x); y = sqrt(w)
    for _ in range(60):
        c = erfc(y)
        step = (log(c) - L)*c*sqrt(pi)/2*exp(y*y)
        y += step
        if abs(step) < mpf(10)**-40: break
    return y/x
if which == 'erfinv':
    for fmt in fmts:
        for n in F(fmt, [11], [24]):
            fit('NEAR', fmt, lambda w: quantile(w + mpf('3.125')), lambda w: 1/quantile(w + mpf('3.125')), mpf('-3.125'), mpf('3.125'), n, at_once=True)
        spans = [('FAR', '2.5', '4.05', '3.25', F(fmt, [8], [18]))] + F(fmt, [], [('LAST', '3.95', '6.1', '5', [16])])
        for name, lo, hi, c, counts in spans:
            lo, hi, c = mpf(lo), mpf(hi), mpf(c)
            for n in counts:
                fit(name, fmt, lambda t: quantile((t + c)**2), lambda t: 1/quantile((t + c)**2), lo - c, hi - c, n, at_once=True)
if which == 'lgamma':
    for fmt in fmts:
        for n in F(fmt, [10], [18]):
            fit('LGAMMA', fmt, lambda d: nz(d, lambda d: loggamma(2 + d)/d, digamma(2)), lambda d: nz(d, lambda d: d/loggamma(2 + d), 1/digamma(2)), -mpf('0.5'), mpf('0.5'), n, at_once=True)
        def S(z):
            if z < mpf(10)**-12: return mpf(1)/12 - z/360
            x = 1/sqrt(z); return x*(loggamma(x) - ((x - mpf(1)/2)*log(x) - x + log(2*pi)/2))
        for n in F(fmt, [3], [7]):
            fit('STIRLING', fmt, S, lambda z: mpf(1), 0, mpf(1)/64, n, at_once=True)
        def D(z):
            if z < mpf(10)**-12: return mpf(1)/12 - z/120
            x = 1/sqrt(z); return (log(x) - 1/(2*x) - digamma(x))/z
        for n in F(fmt, [4], [7]):
            fit('DIGAMMA', fmt, D, lambda z: mpf(1), 0, F(fmt, mpf(1)/16, mpf(1)/64), n, at_once=True)
