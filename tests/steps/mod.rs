//! Losses of small networks, for tests of what their training steps allocate and keep.

use retrograd::{Conv, Tensor};

/// Weight and bias of each layer.
pub(crate) type Layers = Vec<(Tensor, Tensor)>;

pub(crate) fn network(p: &Layers, x: &Tensor, y: &Tensor) -> Tensor {
    let h = p.iter().fold(x.clone(), |h, (w, b)| (h.matmul(w) + b).relu());
    h.cross_entropy(y)
}

/// A convolution and the output layer.
pub(crate) fn images(p: &[(Tensor, Tensor); 2], x: &Tensor, y: &Tensor) -> Tensor {
    let h = x.conv2d(&p[0].0, Conv::new().padding(1).bias(&p[0].1)).tanh().max_pool2d(2);
    (h.flatten(1, -1).matmul(&p[1].0) + &p[1].1).cross_entropy(y)
}

/// An embedding, an LSTM over the tokens of each row, and what comes next.
pub(crate) fn recurrent(p: &[Tensor; 5], x: &Tensor, y: &Tensor) -> Tensor {
    let ([rows, steps], hidden) = ([x.shape()[0] as usize, x.shape()[1] as usize], p[2].shape()[0] as usize);
    let embedded = p[0].embedding(x);
    let (mut h, mut c) = (Tensor::zeros([rows, hidden]), Tensor::zeros([rows, hidden]));
    for t in 0..steps {
        let gates = embedded.at((.., t)).matmul(&p[1]) + h.matmul(&p[2]) + &p[3];
        let [i, f, g, o] = gates.split([hidden; 4], 1);
        c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        h = o.sigmoid() * c.tanh();
    }
    h.matmul(&p[4]).cross_entropy(y)
}
