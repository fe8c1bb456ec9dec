//! Networks, as small as they can be with every part in place.

use retrograd::{Conv, Tensor};

use crate::{Program, labels, normal};

pub(crate) const NETWORKS: &[Program] = &[
    Program {
        name: "mlp",
        parameters: || vec![normal(1, [6, 8]), normal(2, [8]), normal(3, [8, 3]), normal(4, [3])],
        data: || vec![normal(5, [5, 6]), labels(5, 3)],
        loss: |p, x| {
            let h = (x[0].matmul(&p[0]) + &p[1]).relu();
            (h.matmul(&p[2]) + &p[3]).cross_entropy(&x[1])
        },
    },
    Program {
        name: "cnn",
        parameters: || {
            vec![
                normal(1, [3, 1, 3, 3]),
                normal(2, [3]),
                normal(3, [4, 3, 3, 3]),
                normal(4, [4]),
                normal(5, [16, 3]),
            ]
        },
        data: || vec![normal(6, [2, 1, 8, 8]), labels(2, 3)],
        loss: |p, x| {
            let layer = |x: &Tensor, w: &Tensor, b: &Tensor| {
                x.conv2d(w, Conv::new().padding(1).bias(b)).tanh().max_pool2d(2)
            };
            let h = layer(&layer(&x[0], &p[0], &p[1]), &p[2], &p[3]);
            h.flatten(1, -1).matmul(&p[4]).cross_entropy(&x[1])
        },
    },
    Program {
        name: "lstm",
        parameters: || {
            vec![
                normal(1, [7, 4]),
                normal(2, [4, 12]),
                normal(3, [3, 12]),
                normal(4, [12]),
                normal(5, [3, 7]),
            ]
        },
        data: || vec![labels(8, 7).reshape([2, 4]), labels(8, 5)],
        loss: |p, x| {
            let embedded = p[0].embedding(&x[0]);
            let mut h = Tensor::zeros([2, 3]).to_dtype(p[0].dtype());
            let mut c = h.clone();
            let mut outputs = Vec::new();
            for t in 0..4 {
                let gates = embedded.at((.., t)).matmul(&p[1]) + h.matmul(&p[2]) + &p[3];
                let [i, f, g, o] = gates.split([3; 4], 1);
                c = f.sigmoid() * c + i.sigmoid() * g.tanh();
                h = o.sigmoid() * c.tanh();
                outputs.push(h.clone());
            }
            Tensor::stack(&outputs, 1).reshape([8, 3]).matmul(&p[4]).cross_entropy(&x[1])
        },
    },
    Program {
        name: "gru",
        parameters: || vec![normal(1, [4, 9]), normal(2, [3, 9]), normal(3, [9])],
        data: || vec![normal(4, [5, 2, 4])],
        loss: |p, x| {
            let mut h = x[0].at((0, .., ..3)) * 0.0;
            for step in x[0].iter() {
                let [r, z, n] = (step.matmul(&p[0]) + &p[2]).split([3; 3], 1);
                let [hr, hz, hn] = h.matmul(&p[1]).split([3; 3], 1);
                let z = (z + hz).sigmoid();
                h = (1.0 - &z) * (n + (r + hr).sigmoid() * hn).tanh() + z * h;
            }
            h.square().sum()
        },
    },
    Program {
        name: "attention",
        parameters: || vec![normal(1, [4, 6]), normal(2, [4, 6]), normal(3, [4, 6])],
        data: || vec![normal(4, [2, 5, 4]), causal(5)],
        loss: |p, x| {
            let heads = |w: &Tensor| x[0].matmul(w).reshape([2, 5, 2, 3]).transpose(1, 2);
            let scores = heads(&p[0]).matmul(&heads(&p[1]).t()) / 3f64.sqrt();
            let weights = x[1].where_(scores, f64::NEG_INFINITY).softmax(-1);
            weights.matmul(&heads(&p[2])).square().mean()
        },
    },
    Program {
        name: "transformer",
        parameters: || {
            vec![
                normal(1, [4, 12]),
                normal(2, [4, 4]),
                normal(3, [4, 8]),
                normal(4, [8]),
                normal(5, [8, 4]),
                normal(6, [4]),
                normal(7, [2, 4]) * 0.1 + 1.0,
                normal(8, [2, 4]) * 0.1,
            ]
        },
        data: || vec![normal(9, [2, 5, 4]), causal(5)],
        loss: |p, x| {
            let h = layer_norm(&x[0], &p[6].at(0), &p[7].at(0));
            let [q, k, v] =
                h.matmul(&p[0]).split([4; 3], -1).map(|x| x.reshape([2, 5, 2, 2]).transpose(1, 2));
            let scores = x[1].where_(q.matmul(&k.t()) / 2f64.sqrt(), f64::NEG_INFINITY);
            let mixed = scores.softmax(-1).matmul(&v).transpose(1, 2).reshape([2, 5, 4]);
            let h1 = &x[0] + mixed.matmul(&p[1]);
            let h = layer_norm(&h1, &p[6].at(1), &p[7].at(1));
            let out = h1 + (h.matmul(&p[2]) + &p[3]).gelu().matmul(&p[4]) + &p[5];
            out.square().mean()
        },
    },
    Program {
        name: "layer_norm",
        parameters: || vec![normal(1, [3, 6]), normal(2, [6]), normal(3, [6])],
        data: || vec![normal(4, [3, 6])],
        loss: |p, x| (layer_norm(&p[0], &p[1], &p[2]) * &x[0]).sum(),
    },
    Program {
        name: "batch_norm",
        parameters: || vec![normal(1, [3, 2, 2, 2]), normal(2, [2, 1, 1]), normal(3, [2, 1, 1])],
        data: || vec![normal(4, [3, 2, 2, 2])],
        loss: |p, x| {
            let centred = &p[0] - p[0].mean_keepdim([0, 2, 3]);
            let variance = centred.square().mean_keepdim([0, 2, 3]);
            ((centred * (variance + 1e-5).rsqrt() * &p[1] + &p[2]).silu() * &x[0]).sum()
        },
    },
    Program {
        name: "softmax_cross_entropy",
        parameters: || vec![normal(1, [6, 5])],
        data: || vec![labels(6, 5)],
        loss: |p, x| p[0].cross_entropy(&x[0]),
    },
    Program {
        name: "message_passing",
        // Nodes send what an edge makes of them to its end, where it is added up.
        parameters: || vec![normal(1, [5, 3]), normal(2, [3, 3])],
        data: || vec![Tensor::from([0i64, 1, 2, 3, 4, 4, 0]), Tensor::from([1i64, 2, 2, 4, 0, 1, 3])],
        loss: |p, x| {
            let mut nodes = p[0].clone();
            for _ in 0..2 {
                let messages = nodes.index_select(0, &x[0]).matmul(&p[1]).tanh();
                nodes = (&nodes * 0.5).index_add(0, &x[1], &messages);
            }
            nodes.square().mean()
        },
    },
    Program {
        name: "autoencoder",
        parameters: || vec![normal(1, [6, 2]), normal(2, [2]), normal(3, [6])],
        data: || vec![normal(4, [4, 6])],
        // The decoder has the encoder's weights.
        loss: |p, x| {
            let code = (x[0].matmul(&p[0]) + &p[1]).softplus();
            (code.matmul(&p[0].t()) + &p[2] - &x[0]).square().mean() + code.abs().mean() * 0.01
        },
    },
    Program {
        name: "mixed_precision",
        parameters: || vec![normal(1, [6, 4]), normal(2, [4])],
        data: || vec![normal(3, [3, 6]), normal(4, [3, 4])],
        loss: |p, x| {
            let h = (x[0].f32().matmul(&p[0].f32()) + p[1].f32()).tanh();
            (h.to_dtype(p[0].dtype()) - &x[1]).square().mean()
        },
    },
];

/// Where a position may look.
fn causal(n: i64) -> Tensor {
    Tensor::arange(n).unsqueeze(0).le(Tensor::arange(n).unsqueeze(1))
}

pub(crate) fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Tensor {
    let centred = x - x.mean_keepdim(-1);
    let deviation = (centred.square().mean_keepdim(-1) + 1e-5).sqrt();
    centred / deviation * gain + bias
}
