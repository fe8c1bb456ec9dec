//! Matrix products under the names that say what they multiply, and what is added to them.

use crate::autodiff::level::misuse;
use crate::error::Misfit;
use crate::tensor::Tensor;

impl Tensor {
    /// The product of two matrices. Gradient: `da = dy b^T`, `db = a^T dy`.
    ///
    /// PyTorch: `torch.mm`. JAX: `jnp.matmul`.
    #[track_caller]
    pub fn mm(&self, other: &Tensor) -> Tensor {
        match ranks("mm", [(self, 2, "first"), (other, 2, "second")]) {
            Ok(()) => self.matmul(other),
            Err(invalid) => invalid,
        }
    }

    /// The product of a matrix and a vector. Gradient: `da = dy x^T`, `dx = a^T dy`.
    ///
    /// PyTorch: `torch.mv`. JAX: `jnp.matmul`.
    #[track_caller]
    pub fn mv(&self, vector: &Tensor) -> Tensor {
        match ranks("mv", [(self, 2, "first"), (vector, 1, "second")]) {
            Ok(()) => self.matmul(vector),
            Err(invalid) => invalid,
        }
    }

    /// The products of two batches of matrices, `[b, n, k]` and `[b, k, m]`. Gradient: `da = dy b^T`, `db = a^T dy`.
    ///
    /// PyTorch: `torch.bmm`. JAX: `jnp.matmul`.
    #[track_caller]
    pub fn bmm(&self, other: &Tensor) -> Tensor {
        match batches("bmm", self, other) {
            Ok(()) => self.matmul(other),
            Err(invalid) => invalid,
        }
    }

    /// This tensor plus the product of two matrices, `x + a b`; it broadcasts to the product's shape. (Scale with `*`:
    /// `(&x * beta).addmm(&a, &(b * alpha))`.)
    ///
    /// Gradient: `dx = dy` summed as it was repeated, `da = dy b^T`, `db = a^T dy`.
    ///
    /// PyTorch: `torch.addmm`. JAX: none.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (bias, a) = (Tensor::from([10.0, 20.0]), Tensor::from([[1.0, 2.0], [3.0, 4.0]]));
    /// assert_eq!(bias.addmm(&a, &a).to_vec::<f64>()?, [17.0, 30.0, 25.0, 42.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn addmm(&self, a: &Tensor, b: &Tensor) -> Tensor {
        match ranks("addmm", [(a, 2, "first"), (b, 2, "second")]) {
            Ok(()) => self.plus_product("addmm", a.matmul(b)),
            Err(invalid) => invalid,
        }
    }

    /// This tensor plus the product of a matrix and a vector, `x + a v`; it broadcasts to the product's shape.
    ///
    /// Gradient: `dx = dy` summed as it was repeated, `da = dy v^T`, `dv = a^T dy`.
    ///
    /// PyTorch: `torch.addmv`. JAX: none.
    #[track_caller]
    pub fn addmv(&self, a: &Tensor, vector: &Tensor) -> Tensor {
        match ranks("addmv", [(a, 2, "first"), (vector, 1, "second")]) {
            Ok(()) => self.plus_product("addmv", a.matmul(vector)),
            Err(invalid) => invalid,
        }
    }

    /// This tensor plus the outer product of two vectors, `x + a b^T`; it broadcasts to the product's shape.
    ///
    /// Gradient: `dx = dy` summed as it was repeated, `da = dy b`, `db = dy^T a`.
    ///
    /// PyTorch: `torch.addr`. JAX: none.
    #[track_caller]
    pub fn addr(&self, a: &Tensor, b: &Tensor) -> Tensor {
        match ranks("addr", [(a, 1, "first"), (b, 1, "second")]) {
            Ok(()) => self.plus_product("addr", a.outer(b)),
            Err(invalid) => invalid,
        }
    }

    /// This tensor plus the products of two batches of matrices, `x + a b`; it broadcasts to their shape.
    ///
    /// Gradient: `dx = dy` summed as it was repeated, `da = dy b^T`, `db = a^T dy`.
    ///
    /// PyTorch: `torch.baddbmm`. JAX: none.
    #[track_caller]
    pub fn baddbmm(&self, a: &Tensor, b: &Tensor) -> Tensor {
        match batches("baddbmm", a, b) {
            Ok(()) => self.plus_product("baddbmm", a.matmul(b)),
            Err(invalid) => invalid,
        }
    }

    /// The sum, in the shape of the product.
    #[track_caller]
    fn plus_product(&self, operation: &'static str, product: Tensor) -> Tensor {
        if self.error().is_some() || product.error().is_some() {
            return if self.error().is_some() { self.clone() } else { product };
        }
        let (own, shape) = (self.spec().shape, product.spec().shape);
        if own.broadcast(shape) != Some(shape) {
            let message = format!("shape {own} does not broadcast to the product's {shape}");
            return misuse(operation, &[self, &product], Misfit::shape(message));
        }
        self + product
    }

    /// [`Tensor::outer`] under its name in BLAS. Gradient: `da = dy b`, `db = dy^T a`.
    ///
    /// PyTorch: `torch.ger`. JAX: `jnp.outer`.
    #[track_caller]
    pub fn ger(&self, other: &Tensor) -> Tensor {
        match ranks("ger", [(self, 1, "first"), (other, 1, "second")]) {
            Ok(()) => self.outer(other),
            Err(invalid) => invalid,
        }
    }

    /// The inner products over the last axis of both, which have it equally long: the other axes of the first, then those
    /// of the second. A number multiplies.
    ///
    /// Gradient: each other, times `dy`.
    ///
    /// PyTorch: `torch.inner`. JAX: `jnp.inner`.
    #[track_caller]
    pub fn inner(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = [self, other].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let (a, b) = (self.spec().shape, other.spec().shape);
        let (Some(last_a), Some(last_b)) = (a.rank().checked_sub(1), b.rank().checked_sub(1)) else {
            return self * other;
        };
        let depth = a.dim(last_a);
        if depth != b.dim(last_b) {
            let message = format!("last axes differ: {a} and {b}");
            return misuse("inner", &[self, other], Misfit::shape(message));
        }
        let (lead_a, lead_b) = (a.without(last_a), b.without(last_b));
        let Some(shape) = lead_a.concat(&lead_b) else {
            return misuse("inner", &[self, other], crate::ops::movement::too_many_axes());
        };
        let rows = self.reshape([lead_a.numel(), depth]);
        let columns = other.reshape([lead_b.numel(), depth]);
        let product = rows.matmul(&columns.t());
        if product.error().is_some() { product } else { product.reshape(shape) }
    }

    /// The inner product of all elements of two tensors with as many of them. Gradient: each other, times `dy`.
    ///
    /// PyTorch: `torch.vdot`. JAX: `jnp.vdot`.
    #[track_caller]
    pub fn vdot(&self, other: &Tensor) -> Tensor {
        if let Some(invalid) = [self, other].into_iter().find(|x| x.error().is_some()) {
            return invalid.clone();
        }
        let (a, b) = (self.spec().shape, other.spec().shape);
        if a.numel() != b.numel() {
            let message = format!("{a} and {b} have different numbers of elements");
            return misuse("vdot", &[self, other], Misfit::shape(message));
        }
        self.ravel().matmul(&other.ravel())
    }

    /// The cross product of vectors of length 3 along an axis; the other axes broadcast.
    ///
    /// Gradient: `da = b x dy`, `db = dy x a`.
    ///
    /// PyTorch: `torch.linalg.cross`. JAX: `jnp.cross`.
    ///
    /// ```
    /// # use retrograd::Tensor;
    /// let (x, y) = (Tensor::from([1.0, 0.0, 0.0]), Tensor::from([0.0, 1.0, 0.0]));
    /// assert_eq!(x.cross(&y, -1).to_vec::<f64>()?, [0.0, 0.0, 1.0]);
    /// # Ok::<(), retrograd::Error>(())
    /// ```
    #[track_caller]
    pub fn cross(&self, other: &Tensor, axis: isize) -> Tensor {
        for x in [self, other] {
            match x.axis_or("cross", axis) {
                Ok(at) if x.spec().shape.dim(at) == 3 => {}
                Ok(at) => {
                    let message = format!(
                        "vectors have length 3, axis {axis} of {} has {}",
                        x.spec().shape,
                        x.spec().shape[at]
                    );
                    return misuse("cross", &[self, other], Misfit::shape(message));
                }
                Err(invalid) => return invalid,
            }
        }
        // (a x b)[i] = a[i + 1] b[i + 2] - a[i + 2] b[i + 1], counted in a circle.
        let (a, b) = (self, other);
        a.roll(-1, axis) * b.roll(-2, axis) - a.roll(-2, axis) * b.roll(-1, axis)
    }

    /// The distance of two tensors, which broadcast: the `p`-norm of all elements of their difference,
    /// `(sum |a - b|^p)^(1/p)`; the greatest for an infinite `p`, the number of those that differ for 0. `p` is not
    /// negative.
    ///
    /// Gradient: `da = dy * sign(a - b) * (|a - b| / y)^(p - 1)`, 0 where the tensors are equal (`p` of 1 and more); the
    /// greatest share evenly.
    ///
    /// PyTorch: `torch.dist`. JAX: none.
    #[track_caller]
    pub fn dist(&self, other: &Tensor, p: f64) -> Tensor {
        let difference = self - other;
        if difference.error().is_some() {
            return difference;
        }
        if p.is_nan() || p < 0.0 {
            return misuse("dist", &[self, other], Misfit::shape(format!("p is at least 0, got {p}")));
        }
        if p == 2.0 {
            return difference.norm();
        }
        let dtype = difference.spec().dtype;
        if p == 0.0 {
            return difference.ne(0.0).sum().to_dtype(dtype);
        }
        let size = difference.abs();
        if p == 1.0 || size.spec().shape.numel() == 0 {
            return size.sum();
        }
        // Divided by the greatest, so that powers neither overflow nor vanish. It is a constant, since it divides out.
        let greatest = crate::ops::stopped(&size.amax());
        if p == f64::INFINITY {
            return size.amax();
        }
        let zero = greatest.eq(0.0);
        let scale = zero.logical_or(greatest.isfinite().logical_not()).where_(1.0, greatest);
        let powers = (size / &scale).pow(p).sum();
        zero.where_(0.0, zero.where_(1.0, powers).pow(1.0 / p)) * scale
    }
}

/// Whether operands have as many axes as they must.
#[track_caller]
fn ranks(operation: &'static str, operands: [(&Tensor, usize, &str); 2]) -> Result<(), Tensor> {
    for (x, rank, which) in operands {
        if x.error().is_some() {
            return Err(x.clone());
        }
        if x.spec().shape.rank() != rank {
            let shape = x.spec().shape;
            let message = format!("the {which} operand has {rank} axes, got shape {shape}");
            let misfit = Misfit::shape(message).help("`matmul` takes vectors, matrices and batches of them");
            return Err(misuse(operation, &operands.map(|(x, ..)| x), misfit));
        }
    }
    Ok(())
}

/// Whether operands are batches of as many matrices.
#[track_caller]
fn batches(operation: &'static str, a: &Tensor, b: &Tensor) -> Result<(), Tensor> {
    ranks(operation, [(a, 3, "first"), (b, 3, "second")])?;
    let (n, m) = (a.spec().shape[0], b.spec().shape[0]);
    if n != m {
        let misfit = Misfit::shape(format!("batches of {n} and {m} matrices"));
        return Err(misuse(operation, &[a, b], misfit.help("`matmul` broadcasts them")));
    }
    Ok(())
}
