"""Writes the f64 reference tables src/exec/math/tests/{table,more}.rs (mpmath, 60 digits): `table.py table`, `table.py more`."""
from mpmath import mp, mpf, exp, expm1, log, log1p, sin, cos, tan, tanh, erf, erfc, erfinv, power, cbrt, atan2, loggamma, digamma, rgamma
import math, sys
def reduce_digits(x): mp.dps = 400 if abs(x) > 1e15 else 80
sig = lambda x: 1/(1+exp(-x))
def near(k): 
    mp.dps = 60
    return float(k*mp.pi/2)
def log10(x): return log(x)/log(mpf(10))
def inverse(y):
    # Enough digits for 1 - y where y is near 1, and a tiny y is nearly linear.
    if abs(y) < mpf(10)**-15: return y*mp.sqrt(mp.pi)/2
    return erfinv(y)
T = [5e-324, 2.2250738585072014e-308, 1e-300, 1e-17, 1e-8]
angles = T + [0.1, 0.7853981633974483, near(1), 1.6, near(2), 3.9, near(3), 10.0, near(1000), 12345.678, near(123456789), 536870911.5, 536870913.5, 1e9, 1e15, 6381956970095103.0*2.0**797, 1e22, 1e100, 1.7976931348623157e308]
both = lambda xs: xs + [-x for x in xs]
rows = {
 'exp': (exp, both(T + [0.1, 0.34657359027997264, 0.3465735902799727, 0.5, 1.0, 2.5, 10.0, 100.3, 700.0, 708.3, 709.0]) + [709.782712893384, -709.5, -720.25, -740.1, -745.0, -745.1332191019411, -745.1332191019412]),
 'expm1': (expm1, both(T + [1e-5, 0.1, 0.34657359027997264, 0.3465735902799727, 0.5, 1.0, 1.5, 10.0, 36.7, 37.5, 50.0]) + [700.0, 709.782712893384, -709.9]),
 'log': (log, T + [0.1, 0.5, 0.7071067811865475, 0.7071067811865476, 0.99, 0.9999999999999999, 1.0, 1.0000000000000002, 1.00001, 1.4142135623730951, 1.4142135623730954, 2.0, math.e, 10.0, 1e10, 1e300, 1.7976931348623157e308, 4.4501477170144023e-308, 2.225073858507201e-308]),
 'log1p': (log1p, both(T + [1e-5, 0.1, 0.25, 0.29289321881345254, 0.4, 0.5, 0.9, 0.9999999999999999]) + [0.41421356237309515, 1.0, 10.0, 1e5, 9007199254740992.0, 1e17, 1e300, 1.7976931348623157e308]),
 'sin': (sin, both(angles)), 'cos': (cos, both(angles)), 'tan': (tan, both(angles)),
 'tanh': (tanh, both(T + [1e-4, 0.1, 0.3, 0.5, 0.6249999999999999, 0.625, 0.7, 1.0, 2.0, 5.0, 10.0, 18.0, 19.0, 19.5, 22.0, 1e300])),
 'sigmoid': (sig, both(T + [0.1, 1.0, 5.5, 20.0, 36.0, 38.0, 100.0, 700.0]) + [-708.5, -720.0, -744.5, -745.1, -746.0]),
 'exp2': (lambda x: mpf(2)**x, both(T + [0.1, 0.5, 1.0, 2.5, 10.0, 52.3, 1000.25, 1023.0]) + [1023.9999999999999, -1022.5, -1050.75, -1073.5, -1074.0, -1075.5]),
 'log2': (lambda x: log(x, 2), T + [0.1, 0.125, 0.5, 0.7071067811865475, 0.7071067811865476, 0.99, 0.9999999999999999, 1.0, 1.0000000000000002, 1.4142135623730951, 3.0, 8.0, 1e10, 1e300, 1.7976931348623157e308, 2.225073858507201e-308]),
 'log10': (log10, T + [0.1, 0.001, 0.5, 0.99, 0.9999999999999999, 1.0, 1.0000000000000002, 1.4142135623730951, 3.0, 10.0, 1000.0, 1e10, 1e22, 1e300, 1.7976931348623157e308, 2.225073858507201e-308]),
 'cbrt': (lambda x: cbrt(x) if x >= 0 else -cbrt(-x), both(T + [0.1, 0.125, 0.5, 0.9999999999999999, 1.0, 1.0000000000000002, 2.0, 7.0, 27.0, 343.0, 1e10, 1e300, 1.7976931348623157e308])),
 'erfc': (erfc, both(T + [1e-4, 0.1, 0.3, 0.5, 0.9999999999999999, 1.0, 1.7, 2.2, 3.0, 4.0, 5.0]) + [5.8, 6.5, 8.0, 10.0, 15.3, 20.0, 26.0, 26.5, 27.0, 27.2, 28.0]),
 'erfcx': (lambda x: exp(x*x)*erfc(x) if x < 1000 else 1/(x*mp.sqrt(mp.pi)), both(T + [1e-4, 0.1, 0.3, 0.5, 1.0, 1.7, 2.2, 3.0, 4.0, 5.0]) + [-26.5, 5.8, 8.0, 10.0, 15.3, 26.5, 30.0, 100.0, 1e10, 1e200, 1.7976931348623157e308]),
 'erfinv': (inverse, both([5e-324, 1e-300, 1e-17, 1e-8, 1e-4, 0.1, 0.3, 0.5, 0.7, 0.84, 0.9, 0.99, 0.9990, 0.9991, 0.99999, 0.9999999, 0.99999994, 0.9999999999, 0.9999999999999, 0.9999999999999999])),
 'lgamma': (lambda x: -log(abs(rgamma(x))), [5e-324, 1e-300, 1e-17, 1e-8, 0.1, 0.49999, 0.5, 0.9, 1.0, 1.1, 1.4616321449683622, 1.4999, 1.5, 1.9, 2.0, 2.1, 2.5, 2.6, 3.0, 4.5, 5.5, 6.6, 7.9999, 8.0, 10.0, 33.3, 100.0, 1e10, 1e100, 2.5e305, -1e-300, -1e-17, -0.1, -0.5, -0.9, -1.1, -1.5, -2.5, -3.7, -10.1, -100.5, -170.25]),
 'digamma': (digamma, [1e-300, 1e-17, 1e-8, 0.1, 0.5, 0.9, 1.0, 1.1, 1.4, 1.5, 2.0, 3.0, 4.5, 7.9999, 8.0, 10.0, 33.3, 100.0, 1e10, 1e100, 1.7976931348623157e308, -1e-17, -0.1, -0.5, -0.9, -1.1, -1.5, -2.5, -3.7, -10.1, -100.5, -170.25]),
 'erf': (erf, both(T + [1e-4, 0.1, 0.3, 0.5, 0.84375, 0.9999999999999999, 1.0, 1.25, 1.7, 2.2, 3.0, 4.0, 5.0, 5.8, 5.95, 6.5, 1e300])),
}
pows = [(2.0,0.5),(2.0,10.0),(2.0,-1074.0),(2.0,1023.5),(2.0,-1070.3),(10.0,308.0),(10.0,-308.0),(0.1,300.0),(1.0000000000000002,1e15),(0.9999999999999999,1e17),(1.0000000000000002,-3e18),(0.5,1.5),(0.7071067811865476,2.0),(1.4142135623730951,-700.25),(5e-324,0.5),(5e-324,-0.9),(1e-310,0.99),(1.7976931348623157e308,0.9),(1.7976931348623157e308,-0.99),(3.0,3.0),(-3.0,3.0),(-3.0,2.0),(-2.5,-7.0),(-1.5,1001.0),(7.3,1e-20),(7.3,-3e-9),(123.456,78.9),(1.1,7000.0),(0.3,-580.0)]
def lit(v):
    r = repr(v)
    m, e, x = r.partition('e')
    if not e and '.' not in m: m += '.0'
    s = m
    if '.' in m:
        i, f = m.split('.'); neg = i.startswith('-'); i = i.lstrip('-')
        i = '_'.join([i[max(0,k-3):k] for k in range(len(i),0,-3)][::-1])
        if len(f) > 3: f = '_'.join(f[k:k+3] for k in range(0,len(f),3))
        s = ('-' if neg else '') + i + '.' + f
    return s + (('e' + str(int(x))) if e else '')
print('''//! Values of the elementary functions at chosen f64 arguments.
//!
//! Computed with mpmath in 80 digits (400 for great angles) and rounded once. The arguments are the
//! ends of each function's range, the seams of our kernels, and angles near multiples of pi/2.
''')
FIRST = ["exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "erf"]
which = sys.argv[1]
rows = {name: row for name, row in rows.items() if (name in FIRST) == (which == "table")}
print("/// `(x, f(x))` for each function of one number.")
print("pub(super) const UNARY: &[(&str, &[(f64, f64)])] = &[")
for name,(fn,xs) in rows.items():
    print(f'    ("{name}", &[')
    for x in xs:
        reduce_digits(x); y = float(fn(mpf(x)))
        if math.isinf(y): continue
        print(f"        ({lit(x)}, {lit(y)}),")
    print("    ]),")
if which == "more":
    print("];\n\n/// `(y, x, angle)` of the point `(x, y)`.\npub(super) const ATAN2: &[(f64, f64, f64)] = &[")
    for y in [1e-300, 1e-8, 0.1, 0.999, 1.0, 1.001, 3.0, 1e8, 1e300]:
        for x in [1.0, -1.0, 0.3, -0.7, 1e-250, -1e-250, 1e250, -1e250]:
            mp.dps = 80
            print(f"    ({lit(y)}, {lit(x)}, {lit(float(atan2(mpf(y), mpf(x))))}),")
else:
    print("];\n\n/// `(x, y, x^y)`.\npub(super) const POW: &[(f64, f64, f64)] = &[")
    for x,y in pows:
        mp.dps=80; v=power(mpf(abs(x)),mpf(y)); v = -v if x<0 and y%2==1 else v
        v=float(v)
        if math.isinf(v) : continue
        print(f"    ({lit(x)}, {lit(y)}, {lit(v)}),")
print("];")
