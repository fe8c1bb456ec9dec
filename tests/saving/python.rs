//! Files that Python wrote are read, and those for Python are what Python reads (`tests/golden/files.py check`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use retrograd::{Result, Tensor, Tree, bf16, f16, io};

use crate::folder::{bits, folder};

/// A file that `tests/golden/files.py` wrote.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/files").join(name)
}

/// The arrays of `tests/golden/files.py`.
pub(crate) fn known() -> BTreeMap<String, Tensor> {
    let (inf, nan) = (f32::INFINITY, f32::NAN);
    let half = [f16::from_f32(0.5), f16::from_f32(65504.0), f16::NAN];
    let arrays = [
        ("f4", Tensor::from([[0.0, -0.0, 1.5], [inf, -inf, nan]])),
        ("f8", Tensor::from([1.0 / 3.0, 1e300, 5e-324])),
        ("f2", Tensor::from_slice(&half, [3])),
        ("i8", Tensor::from([[i64::MIN], [i64::MAX]])),
        ("i4", Tensor::from(-7i32)),
        ("u1", Tensor::from([[[0u8, 128, 255]]])),
        ("b1", Tensor::from([true, false, true])),
        ("empty", Tensor::zeros([0, 3])),
    ];
    arrays.into_iter().map(|(name, x)| (name.to_owned(), x)).collect()
}

fn with_bf16() -> BTreeMap<String, Tensor> {
    let values = [bf16::from_f32(1.0), bf16::from_f32(-2.5), bf16::from_f32(3e38)];
    let mut known = known();
    known.insert("bf2".to_owned(), Tensor::from_slice(&values, [3]));
    known
}

#[derive(Clone, Tree)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

#[derive(Clone, Tree)]
struct Network {
    layers: [Linear; 2],
}

fn network() -> Network {
    let counted = |from: usize, shape: &[usize]| {
        let n: usize = shape.iter().product();
        Tensor::from_vec((from..from + n).map(|x| x as f32).collect(), shape)
    };
    Network {
        layers: [
            Linear { weight: counted(0, &[2, 3]), bias: counted(10, &[2]) },
            Linear { weight: counted(20, &[1, 2]), bias: counted(30, &[1]) },
        ],
    }
}

fn weights_of(network: &Network) -> Vec<(retrograd::DType, Vec<usize>, Vec<u64>)> {
    retrograd::tree::leaves(network).iter().map(bits).collect()
}

#[test]
fn every_dtype_that_python_saved_is_loaded_to_the_bit() -> Result<()> {
    let archive = io::Archive::open(golden("dtypes.safetensors"))?;
    for (name, want) in with_bf16() {
        assert_eq!(bits(&archive.tensor(&name)?), bits(&want), "{name}");
    }
    assert_eq!(archive.len(), with_bf16().len());
    assert_eq!(archive.metadata()["made by"], "safetensors");
    assert_eq!(archive.metadata()["ключ"], "a \"b\" \\ \n");
    Ok(())
}

#[test]
fn a_state_dict_of_pytorch_is_loaded_into_a_struct() -> Result<()> {
    let blank = retrograd::tree::map(&network(), Tensor::zeros_like);
    let loaded = io::load(golden("network.safetensors"), &blank)?;
    assert_eq!(weights_of(&loaded), weights_of(&network()));
    Ok(())
}

#[test]
fn files_for_python_are_written() -> Result<()> {
    let folder = folder("for_python");
    let metadata = [("made by", "retrograd"), ("ключ", "a \"b\" \\ \n")];
    io::save_with(folder.join("dtypes.safetensors"), &with_bf16(), metadata)?;
    io::save(folder.join("network.safetensors"), &network())?;
    for (name, x) in known() {
        io::npy::write(folder.join(format!("{name}.npy")), &x)?;
    }
    let transposed = Tensor::from([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]).t();
    io::npy::write(folder.join("fortran.npy"), &transposed)?;
    #[cfg(feature = "npz")]
    {
        io::npz::write(folder.join("arrays.npz"), &known())?;
        io::npz::write_compressed(folder.join("compressed.npz"), &known())?;
    }
    Ok(())
}
