//! A folder for each test, and tensors compared to the bit.

use std::fs;
use std::path::{Path, PathBuf};

use retrograd::{DType, Tensor, bf16, f16};

/// An empty folder of the test's own.
pub(crate) fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("saving").join(test);
    // Of an earlier run, if there was one.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// Names of the files in a folder.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("is a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Dtype, shape and the bits of every element.
pub(crate) fn bits(x: &Tensor) -> (DType, Vec<usize>, Vec<u64>) {
    fn of<T: retrograd::Element>(x: &Tensor, bits: impl Fn(T) -> u64) -> Vec<u64> {
        x.to_vec::<T>().expect("has a value").into_iter().map(bits).collect()
    }
    let elements = match x.dtype() {
        DType::F32 => of(x, |v: f32| v.to_bits().into()),
        DType::F64 => of(x, |v: f64| v.to_bits()),
        DType::F16 => of(x, |v: f16| v.to_bits().into()),
        DType::BF16 => of(x, |v: bf16| v.to_bits().into()),
        DType::I64 => of(x, |v: i64| v as u64),
        DType::I32 => of(x, |v: i32| v as u64),
        DType::U8 => of(x, |v: u8| v.into()),
        DType::Bool => of(x, |v: bool| v.into()),
        other => panic!("{other} is not tested"),
    };
    (x.dtype(), x.shape().to_vec(), elements)
}
