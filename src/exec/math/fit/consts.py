"""Constants of src/exec/math: ln 2 and pi/2 in parts, and the bits of 2/pi for Payne and Hanek's reduction (needs mpmath, numpy)."""
from mpmath import *
import numpy as np
mp.dps=450
def r32(v): return float(np.float32(float(v)))
def trunc_bits(v,bits):
    e=int(floor(log(v,2)));s=mpf(2)**(bits-1-e);return floor(v*s)/s
for fmt,bits in (('f32',24-9),('f64',53-12)):
    R = r32 if fmt=='f32' else float
    hi=trunc_bits(log(2),bits); lo=R(log(2)-hi)
    print(fmt,'LN2',repr(float(hi)),repr(lo))
    c=[];v=pi/2
    for i in range(3):
        x=mpf(R(v)); c.append(float(x)); v-=x
    print(fmt,'PI_2',c, 'log2e',R(1/log(2)),'2/pi',R(2/pi), 'bits', [hex(np.float32(q).view(np.uint32)) if fmt=='f32' else hex(np.float64(q).view(np.uint64)) for q in c])
tp=2/pi
words=[0]
v=tp
for i in range(22):
    v*=mpf(2)**64; w=int(floor(v)); v-=w; words.append(w)
print(',\n'.join('0x%016x'%w for w in words))
h=float(pi/2); print(repr(h), repr(float(pi/2-mpf(h))))
