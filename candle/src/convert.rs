//! Tensors of one library as those of the other. Elements are copied, in row-major order.

use candle_core::{DType, WithDType};
use retrograd::{Element, Error, Result, Tensor};

use super::{DEVICE, dtype, wrapped};

/// The same elements for candle.
pub(crate) fn to_candle(x: &Tensor) -> Result<candle_core::Tensor> {
    fn of<T: Element + WithDType>(x: &Tensor) -> Result<candle_core::Tensor> {
        candle_core::Tensor::from_vec(x.to_vec::<T>()?, x.shape().to_vec(), &DEVICE).map_err(wrapped)
    }
    match dtype(x)? {
        DType::F64 => of::<f64>(x),
        DType::I64 => of::<i64>(x),
        DType::U8 => of::<u8>(x),
        // By way of f32, which has every 16-bit number.
        half => of::<f32>(&x.f32())?.to_dtype(half).map_err(wrapped),
    }
}

/// The same elements for retrograd.
pub(crate) fn from_candle(x: &candle_core::Tensor) -> Result<Tensor> {
    fn of<T: Element + WithDType>(x: &candle_core::Tensor) -> Result<Tensor> {
        let elements = x.flatten_all().and_then(|x| x.to_vec1::<T>()).map_err(wrapped)?;
        Ok(Tensor::from_vec(elements, x.dims().to_vec()))
    }
    if !x.device().is_cpu() {
        return Err(
            Error::msg("a tensor that is not on the CPU").help("move it with `to_device(&Device::Cpu)`")
        );
    }
    match x.dtype() {
        DType::F32 => of::<f32>(x),
        DType::F64 => of::<f64>(x),
        DType::I64 => of::<i64>(x),
        DType::U8 => of::<u8>(x),
        DType::F16 => {
            of::<f32>(&x.to_dtype(DType::F32).map_err(wrapped)?).map(|x| x.to_dtype(retrograd::DType::F16))
        }
        DType::BF16 => {
            of::<f32>(&x.to_dtype(DType::F32).map_err(wrapped)?).map(|x| x.to_dtype(retrograd::DType::BF16))
        }
        other => Err(Error::msg(format!("a tensor of candle's {}", other.as_str()))
            .help("convert it with `to_dtype`, for example to f32")),
    }
}
