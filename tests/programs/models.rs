//! Models of statistics, finance, physics and geometry.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use retrograd::{Tensor, grad_only};

use crate::{Program, labels, normal};

pub(crate) const MODELS: &[Program] = &[
    Program {
        name: "logistic",
        parameters: || vec![normal(1, [4]), normal(2, ())],
        data: || vec![normal(3, [9, 4]), normal(4, [9]).gt(0.0)],
        loss: |p, x| {
            let z = x[0].matmul(&p[0]) + &p[1];
            (z.softplus() - &z * x[1].to_dtype(z.dtype())).mean()
        },
    },
    Program {
        name: "black_scholes",
        parameters: || {
            let near = |seed: u64, centre: f64| normal(seed, [6]).tanh() * (0.2 * centre) + centre;
            vec![near(1, 100.0), near(2, 100.0), near(3, 1.0), near(4, 0.3)]
        },
        data: Vec::new,
        loss: |p, _| {
            let [s, k, t, v] = [0, 1, 2, 3].map(|i| &p[i]);
            let cdf = |z: &Tensor| ((z * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
            let spread = v * t.sqrt();
            let d1 = ((s / k).log() + (v * v * 0.5 + 0.03) * t) / &spread;
            let d2 = &d1 - spread;
            (s * cdf(&d1) - k * (t * -0.03).exp() * cdf(&d2)).sum()
        },
    },
    Program {
        name: "runge_kutta",
        parameters: || vec![normal(1, [3, 3]), normal(2, [3])],
        data: || vec![normal(3, [3])],
        loss: |p, x| {
            let slope = |y: &Tensor| p[0].matmul(y).tanh();
            let (h, mut y) = (0.1, p[1].clone());
            for _ in 0..5 {
                let k1 = slope(&y);
                let k2 = slope(&(&y + &k1 * (h / 2.0)));
                let k3 = slope(&(&y + &k2 * (h / 2.0)));
                let k4 = slope(&(&y + &k3 * h));
                y += (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (h / 6.0);
            }
            (y - &x[0]).square().sum()
        },
    },
    Program {
        name: "k_means_step",
        // Centres move to the mean of what is nearest, and the points' distances to them count.
        parameters: || vec![normal(1, [7, 2]), normal(2, [3, 2])],
        data: || vec![normal(3, [7])],
        loss: |p, x| {
            let distances = |centres: &Tensor| (p[0].unsqueeze(1) - centres).square().sum_dim(-1);
            let nearest = distances(&p[1]).argmin(1);
            let sums = (&p[1] * 0.0).index_add(0, &nearest, &p[0]);
            let counts = (p[1].at((.., 0)) * 0.0).index_add(0, &nearest, &x[0].ones_like());
            let centres = sums / (counts + 1e-3).unsqueeze(1);
            (distances(&centres).amin_dim(1) * x[0].exp()).sum()
        },
    },
    Program {
        name: "kalman_filter",
        // Position and velocity, of which the position is seen: the likelihood of what was seen.
        parameters: || vec![normal(1, [2]), normal(2, [2]) * 0.1 - 1.0],
        data: || vec![normal(3, [6])],
        loss: |p, x| {
            let dtype = p[0].dtype();
            let motion = Tensor::from([[1.0, 0.5], [0.0, 1.0]]).to_dtype(dtype);
            let unit = Tensor::eye(2).to_dtype(dtype);
            let [drift, noise] = [p[1].at(0).exp(), p[1].at(1).exp()];
            let (mut mean, mut covariance, mut loss) = (p[0].clone(), unit.clone(), drift.zeros_like());
            for seen in x[0].iter() {
                mean = motion.matmul(&mean);
                covariance = motion.matmul(&covariance).matmul(&motion.t()) + &unit * &drift;
                let spread = covariance.at((0, 0)) + &noise;
                let error = seen - mean.at(0);
                let gain = covariance.at((.., 0)) / &spread;
                mean += &gain * &error;
                covariance = &covariance - gain.outer(&covariance.at(0));
                loss += (error.square() / &spread + spread.log()) * 0.5;
            }
            loss
        },
    },
    Program {
        name: "gaussian_likelihood",
        parameters: || vec![normal(1, [3]), normal(2, [3])],
        data: || vec![normal(3, [8, 3])],
        loss: |p, x| {
            let z = (&x[0] - &p[0]) * (-&p[1]).exp();
            (z.square() * 0.5 + &p[1] + 0.5 * (2.0 * PI).ln()).sum_dim(-1).mean()
        },
    },
    Program {
        name: "mixture_of_gaussians",
        parameters: || vec![normal(1, [3]), normal(2, [3, 2]), normal(3, [3])],
        data: || vec![normal(4, [8, 2])],
        loss: |p, x| {
            let apart = (x[0].unsqueeze(1) - &p[1]).square().sum_dim(-1);
            let each = p[0].log_softmax(-1) - apart * (&p[2] * -2.0).exp() * 0.5 - &p[2] * 2.0;
            -each.logsumexp(-1).mean()
        },
    },
    Program {
        name: "matrix_factorization",
        parameters: || vec![normal(1, [5, 3]), normal(2, [4, 3])],
        data: || vec![labels(9, 5), labels(9, 4), normal(3, [9])],
        loss: |p, x| {
            let product = p[0].index_select(0, &x[0]) * p[1].index_select(0, &x[1]);
            (product.sum_dim(-1) - &x[2]).square().mean() + (p[0].square().sum() + p[1].square().sum()) * 0.01
        },
    },
    Program {
        name: "rosenbrock",
        parameters: || vec![normal(1, [9])],
        data: Vec::new,
        loss: |p, _| {
            let (low, high) = (p[0].at(..8), p[0].at(1..));
            ((high - low.square()).square() * 100.0 + (1.0 - low).square()).sum()
        },
    },
    Program {
        name: "huber_regression",
        parameters: || vec![normal(1, [3]), normal(2, ())],
        data: || vec![normal(3, [10, 3]), normal(4, [10]) * 2.0],
        loss: |p, x| {
            let error = x[0].matmul(&p[0]) + &p[1] - &x[1];
            let size = error.abs();
            size.le(1.0).where_(error.square() * 0.5, &size - 0.5).mean()
        },
    },
    Program {
        name: "heat_equation",
        parameters: || vec![normal(1, [10]), normal(2, [10]) * 0.1],
        data: || vec![normal(3, [10])],
        loss: |p, x| {
            let mut u = p[0].clone();
            for _ in 0..4 {
                let bent = u.roll(1, 0) + u.roll(-1, 0) - &u * 2.0;
                u += bent * (&p[1] + 0.2);
            }
            (u - &x[0]).square().mean()
        },
    },
    Program {
        name: "camera",
        // Rodrigues rotation, perspective, radial distortion.
        parameters: || vec![normal(1, [7]) * 0.1, normal(2, [4, 3])],
        data: || vec![normal(3, [4, 2])],
        loss: |p, x| {
            let (rotation, camera) = (p[0].at(..3), &p[0]);
            let moved = &p[1] + Tensor::from([0.0, 0.0, 5.0]).to_dtype(camera.dtype()) - camera.at(3..6);
            let angle = (rotation.square().sum() + 1e-6).sqrt();
            let axis = (rotation / &angle).expand([4, 3]);
            let along = (&axis * &moved).sum_keepdim(-1);
            let turned = &moved * angle.cos()
                + axis.cross(&moved, -1) * angle.sin()
                + &axis * along * (1.0 - angle.cos());
            let image = turned.at((.., ..2)) / turned.at((.., 2..));
            let r2 = image.square().sum_keepdim(-1);
            (image * (r2 * camera.at(6) + 1.0) - &x[0]).square().sum()
        },
    },
    Program {
        name: "learning_to_learn",
        // The loss after a step of gradient descent, of the start and of the rate.
        parameters: || vec![normal(1, [3]), normal(2, ()) * 0.1],
        data: || vec![normal(3, [6, 3]), normal(4, [6])],
        loss: |p, x| {
            let loss = |w: &Tensor| (x[0].matmul(w).tanh() - &x[1]).square().mean();
            match grad_only(loss).call(&p[0], ()) {
                Ok(slope) => loss(&(&p[0] - slope * p[1].exp())),
                Err(error) => panic!("{error}"),
            }
        },
    },
];
