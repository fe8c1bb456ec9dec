//! A function of a tree as a function of one vector, for methods that think in directions.

use retrograd::{DType, Error, Loss, Result, Tensor, Tree, tree};

use super::state::{leaves_like, valid, with_leaves};

/// A function to minimise, with its gradient, and the tree that it is a function of.
pub(super) struct Objective<'a, P, F> {
    like: &'a P,
    /// The dtype of the vector: the widest of the floating-point leaves.
    dtype: DType,
    /// -1 to maximise.
    sign: f64,
    function: F,
}

/// What a function is at a point.
pub(super) struct Evaluated {
    pub(super) value: f64,
    pub(super) gradient: Tensor,
}

impl<'a, P: Tree, V: Loss<Parts = V>, F: FnMut(&P) -> Result<(P, V)>> Objective<'a, P, F> {
    pub(super) fn new(like: &'a P, maximize: bool, function: F) -> Result<Objective<'a, P, F>> {
        let leaves = tree::leaves(like);
        valid(like, &leaves, "the parameter")?;
        let dtype = if leaves.iter().any(|x| x.dtype() == DType::F64) { DType::F64 } else { DType::F32 };
        Ok(Objective { like, dtype, sign: if maximize { -1.0 } else { 1.0 }, function })
    }

    /// Refuses a state with vectors of another length.
    pub(super) fn fits(&self, remembered: Option<&Tensor>) -> Result<()> {
        let own = self.start().numel();
        match remembered.map(Tensor::numel) {
            Some(other) if other != own => {
                Err(Error::msg(format!("the state is one of {other} elements, the parameters have {own}")))
            }
            _ => Ok(()),
        }
    }

    /// The floating-point elements of a tree as one vector.
    fn vector(&self, leaves: &[Tensor]) -> Tensor {
        let floats = leaves.iter().filter(|x| x.dtype().is_float());
        let parts: Vec<Tensor> = floats.map(|x| x.reshape([x.numel()]).to_dtype(self.dtype)).collect();
        if parts.is_empty() { Tensor::zeros([0]) } else { Tensor::cat(&parts, 0) }
    }

    /// The vector of the tree itself.
    pub(super) fn start(&self) -> Tensor {
        self.vector(&tree::leaves(self.like))
    }

    /// The tree of a vector; leaves that are no floats stay what they are.
    pub(super) fn tree(&self, x: &Tensor) -> P {
        let mut start = 0;
        let parts = tree::leaves(self.like).into_iter().map(|leaf| {
            if !leaf.dtype().is_float() {
                return leaf;
            }
            let part = x.narrow(0, start, leaf.numel());
            start += leaf.numel();
            part.reshape(leaf.shape()).to_dtype(leaf.dtype())
        });
        with_leaves(self.like, parts.collect())
    }

    /// Value and gradient at a tree, and what the function gave.
    pub(super) fn at_tree(&mut self, params: &P) -> Result<(Evaluated, (P, V))> {
        let (grads, output) = (self.function)(params)?;
        let leaves = leaves_like(self.like, &grads, "the gradients")?;
        valid(self.like, &leaves, "the gradient")?;
        let loss = V::loss(&output);
        if let Some(error) = loss.error() {
            return Err(error.clone());
        }
        let value = loss.reshape([]).f64().item::<f64>()? * self.sign;
        let gradient = self.vector(&leaves) * self.sign;
        let (x, g) = (self.start().numel(), gradient.numel());
        if x != g {
            return Err(Error::msg(format!("the parameters have {x} elements, the gradients {g}")));
        }
        Ok((Evaluated { value, gradient }, (grads, output)))
    }

    /// Value and gradient at a vector.
    pub(super) fn at(&mut self, x: &Tensor) -> Result<Evaluated> {
        let params = self.tree(x);
        self.at_tree(&params).map(|(evaluated, _)| evaluated)
    }
}

/// A tensor of one element as a number.
pub(super) fn number(x: &Tensor) -> Result<f64> {
    x.f64().item()
}

/// The inner product of two vectors.
pub(super) fn inner(x: &Tensor, y: &Tensor) -> Result<f64> {
    number(&x.dot(y))
}

/// The greatest size of an element; 0 of none.
pub(super) fn greatest(x: &Tensor) -> Result<f64> {
    if x.numel() == 0 { Ok(0.0) } else { number(&x.abs().amax()) }
}
