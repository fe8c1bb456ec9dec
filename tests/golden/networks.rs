//! Programs of the size of a layer.

use std::f64::consts::SQRT_2;

use retrograd::{
    DType, INFER, Result, Tensor, Tree, grad, grad_only, hessian, hvp, jacobian, jvp, tree, vmap,
};

use crate::{Inputs, Results, results};

/// Two layers.
#[derive(Clone, Tree)]
struct Network {
    w1: Tensor,
    b1: Tensor,
    w2: Tensor,
    b2: Tensor,
}

impl Network {
    fn of(inputs: &Inputs, names: [&str; 4]) -> Network {
        let [w1, b1, w2, b2] = inputs.all(names);
        Network { w1, b1, w2, b2 }
    }

    fn named(self, names: [&str; 4]) -> Results {
        names.into_iter().map(str::to_owned).zip([self.w1, self.b1, self.w2, self.b2]).collect()
    }
}

/// The pseudo-random numbers that all workloads start from (`benches/peers/workloads.md`).
fn fill<const N: usize>(seed: u64, shape: [usize; N], scale: f64) -> Tensor {
    let number = |i: u64| {
        let hash = (i * 2_654_435_761 + seed * 40_503 + 12_345) % (1 << 32);
        scale * (hash as f64 / (1u64 << 32) as f64 - 0.5)
    };
    let count = shape.iter().product::<usize>() as u64;
    Tensor::from_vec((0..count).map(number).collect::<Vec<f64>>(), shape)
}

fn readme_network(p: &Network, x: &Tensor, y: &Tensor) -> Tensor {
    let h1 = (x.matmul(&p.w1) + &p.b1).tanh();
    let h2 = (h1.matmul(&p.w2) + &p.b2).tanh();
    let y_hat = &h2 - h2.exp().sum().log();
    -(y_hat * y).sum()
}

fn readme(dtype: DType) -> Result<Results> {
    let p = Network {
        w1: fill(2, [100, 50], 0.2),
        b1: Tensor::zeros([50]),
        w2: fill(3, [50, 10], 0.2),
        b2: Tensor::zeros([10]),
    };
    let mut y = Tensor::zeros([1, 10]).to_dtype(dtype);
    y.set((0, 3), 1.0);
    let x = fill(1, [1, 100], 2.0).to_dtype(dtype);
    let (grads, loss) = grad(readme_network).call(&tree::cast(&p, dtype), (&x, &y))?;
    let mut found = grads.named(["w1", "b1", "w2", "b2"]);
    found.push(("loss".to_owned(), loss));
    Ok(found)
}

pub(crate) fn readme_f32(_: &Inputs) -> Result<Results> {
    readme(DType::F32)
}

pub(crate) fn readme_f64(_: &Inputs) -> Result<Results> {
    readme(DType::F64)
}

pub(crate) fn hessian_vector_product_of_an_mlp(inputs: &Inputs) -> Result<Results> {
    let p = Network::of(inputs, ["w1", "b1", "w2", "b2"]);
    let v = Network::of(inputs, ["v_w1", "v_b1", "v_w2", "v_b2"]);
    let [x, y] = inputs.all(["x", "y"]);
    let loss = |p: &Network| {
        let h = (x.matmul(&p.w1) + &p.b1).tanh();
        (h.matmul(&p.w2) + &p.b2 - &y).square().mean()
    };
    let slope = |p: &Network| jvp(loss).call(p, &v, ()).map(|(_, dy)| dy);
    let product = |p: &Network| {
        let parts = tree::leaves(&grad_only(loss).call(p, ())?);
        let along = parts.iter().zip(tree::leaves(&v)).map(|(dx, v)| (dx * v).sum());
        Ok(along.fold(Tensor::from(0.0), |total, part| total + part))
    };
    let ways =
        [hvp(loss).call(&p, &v, ())?, grad_only(slope).call(&p, ())?, grad_only(product).call(&p, ())?];
    Ok(ways.into_iter().flat_map(|way| way.named(["hvp_w1", "hvp_b1", "hvp_w2", "hvp_b2"])).collect())
}

pub(crate) fn attention(inputs: &Inputs) -> Result<Results> {
    let [wq, wk, wv, x, mask] = inputs.all(["wq", "wk", "wv", "x", "mask"]);
    let f = |wq: &Tensor, wk: &Tensor, wv: &Tensor, x: &Tensor| {
        let scores = x.matmul(wq).matmul(&x.matmul(wk).t()) / 3f64.sqrt();
        let weights = mask.where_(scores, -1e30).softmax(-1);
        weights.matmul(&x.matmul(wv)).square().mean()
    };
    let all = |p: &[Tensor; 4]| f(&p[0], &p[1], &p[2], &p[3]);
    let first_row = |row: &Tensor| f(&wq.with(0, row), &wk, &wv, &x);
    let second = hessian(first_row).call(&wq.at(0), ())?;
    let ([dwq, dwk, dwv, dx], loss) = grad(all).call(&[wq.clone(), wk.clone(), wv.clone(), x.clone()], ())?;
    Ok(results([("loss", loss), ("dwq", dwq), ("dwk", dwk), ("dwv", dwv), ("dx", dx), ("hessian", second)]))
}

pub(crate) fn recurrent_cell(inputs: &Inputs) -> Result<Results> {
    let x = inputs.get("x");
    let f = |[wx, wh, b, h, c]: &[Tensor; 5]| {
        let (mut h, mut c, mut total) = (h.clone(), c.clone(), Tensor::from(0.0));
        for step in x.iter() {
            let gates = step.matmul(wx) + h.matmul(wh) + b;
            let [i, f, g, o] = gates.split([2; 4], -1);
            c = f.sigmoid() * c + i.sigmoid() * g.tanh();
            h = o.sigmoid() * c.tanh();
            total += h.square().sum();
        }
        total
    };
    let (grads, loss) = grad(f).call(&inputs.all(["wx", "wh", "b", "h", "c"]), ())?;
    let names = ["dwx", "dwh", "db", "dh", "dc"].map(str::to_owned);
    Ok(names.into_iter().zip(grads).chain([("loss".to_owned(), loss)]).collect())
}

fn cross(a: &Tensor, b: &Tensor) -> Tensor {
    let part = |i: usize, j: usize| a.at(i) * b.at(j) - a.at(j) * b.at(i);
    Tensor::stack(&[part(1, 2), part(2, 0), part(0, 1)], 0)
}

/// A point seen by a camera: Rodrigues rotation, perspective, radial distortion.
fn residual(cam: &Tensor, point: &Tensor, weight: &Tensor) -> Tensor {
    let (r, d) = (cam.at(..3), point - cam.at(3..6));
    let angle = r.square().sum().sqrt();
    let axis = r / &angle;
    let cos = angle.cos();
    let turned = &d * &cos + cross(&axis, &d) * angle.sin();
    let p = turned + &axis * (axis.dot(&d) * (1.0 - cos));
    let q = p.at(..2) / p.at(2);
    let r2 = q.square().sum();
    let distortion = 1.0 + cam.at(9) * &r2 + cam.at(10) * r2.square();
    (cam.at(6) * (q * distortion) + cam.at(7..9)) * weight
}

pub(crate) fn bundle_adjustment(inputs: &Inputs) -> Result<Results> {
    let [cams, points, weights] = inputs.all(["cams", "points", "weights"]);
    let blocks = |cam: &Tensor, point: &Tensor, weight: &Tensor| {
        let f = |p: &(Tensor, Tensor)| residual(&p.0, &p.1, weight);
        jacobian(f).call(&(cam.clone(), point.clone()), ())
    };
    let (d_cam, d_point) = vmap(blocks).call(&cams, (&points, &weights))?;
    let values = vmap(residual).call(&cams, (&points, &weights))?;
    Ok(results([("residuals", values), ("d_cam", d_cam), ("d_point", d_point)]))
}

fn price(s: &Tensor, k: &Tensor, t: &Tensor, v: &Tensor) -> Tensor {
    let cdf = |z: &Tensor| (1.0 + (z / SQRT_2).erf()) * 0.5;
    let root = t.sqrt();
    let d1 = ((s / k).log() + (0.03 + v.square() * 0.5) * t) / (v * &root);
    s * cdf(&d1) - k * (t * -0.03).exp() * cdf(&(&d1 - v * root))
}

fn delta(s: &Tensor, k: &Tensor, t: &Tensor, v: &Tensor) -> Result<Tensor> {
    grad_only(price).call(s, (k, t, v))
}

pub(crate) fn black_scholes(inputs: &Inputs) -> Result<Results> {
    let [s, k, t, v] = inputs.all(["s", "k", "t", "v"]);
    let at = (&k, &t, &v);
    type T = Tensor;
    let theta = |s: &T, k: &T, t: &T, v: &T| grad_only(price).argument::<2>().call(s, (k, t, v));
    let vega = |s: &T, k: &T, t: &T, v: &T| grad_only(price).argument::<3>().call(s, (k, t, v));
    let gamma = |s: &T, k: &T, t: &T, v: &T| grad_only(delta).call(s, (k, t, v));
    let vanna = |s: &T, k: &T, t: &T, v: &T| grad_only(delta).argument::<3>().call(s, (k, t, v));
    Ok(results([
        ("price", price(&s, &k, &t, &v)),
        ("delta", vmap(delta).call(&s, at)?),
        ("theta", vmap(theta).call(&s, at)?),
        ("vega", vmap(vega).call(&s, at)?),
        ("gamma", vmap(gamma).call(&s, at)?),
        ("vanna", vmap(vanna).call(&s, at)?),
    ]))
}

pub(crate) fn runge_kutta(inputs: &Inputs) -> Result<Results> {
    let [a, y0] = inputs.all(["a", "y0"]);
    let f = |a: &Tensor, y0: &Tensor| {
        let slope = |y: &Tensor| a.matmul(&y.reshape([INFER, 1])).reshape([INFER]).tanh();
        let (h, mut y) = (0.05, y0.clone());
        for _ in 0..20 {
            let k1 = slope(&y);
            let k2 = slope(&(&y + &k1 * (0.5 * h)));
            let k3 = slope(&(&y + &k2 * (0.5 * h)));
            let k4 = slope(&(&y + &k3 * h));
            y += (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0);
        }
        y.square().sum()
    };
    let (da, value) = grad(f).call(&a, &y0)?;
    Ok(results([
        ("value", value),
        ("da", da),
        ("dy0", grad_only(f).argument::<1>().call(&a, &y0)?),
        ("hessian", hessian(|y: &Tensor| f(&a, y)).call(&y0, ())?),
    ]))
}
