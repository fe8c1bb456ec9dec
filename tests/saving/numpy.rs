//! NumPy's files.

use retrograd::{Result, Tensor, io::npy};

use crate::folder::bits;
use crate::python::{golden, known};
use crate::trees::{runner, tensor};

#[test]
fn any_tensor_is_read_as_it_was_written() {
    let run = |x: Tensor| {
        match npy::to_bytes(&x) {
            Ok(bytes) => assert_eq!(bits(&npy::from_bytes(&bytes).expect("just written")), bits(&x)),
            Err(error) => assert!(error.to_string().contains("NumPy has no dtype bf16"), "{error}"),
        }
        Ok(())
    };
    runner(200).run(&tensor(), run).expect("every tensor comes back");
}

#[test]
fn all_versions_and_both_orders_are_read() -> Result<()> {
    let matrix = bits(&Tensor::from([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]));
    for name in ["version1", "version2", "version3", "fortran"] {
        let x = npy::read(golden(&format!("{name}.npy")))?;
        assert_eq!(bits(&x), matrix, "{name}");
        assert!(x.is_contiguous());
    }
    let cube = npy::read(golden("fortran_cube.npy"))?;
    assert_eq!(bits(&cube), bits(&Tensor::from_vec((0..24).collect::<Vec<i32>>(), [2, 3, 4])));
    Ok(())
}

#[test]
fn big_endian_files_are_read() -> Result<()> {
    let known = known();
    for name in ["f4", "f8", "f2", "i8", "i4"] {
        assert_eq!(bits(&npy::read(golden(&format!("big_{name}.npy")))?), bits(&known[name]), "{name}");
    }
    Ok(())
}

#[test]
fn a_file_is_what_numpy_writes() -> Result<()> {
    let written = std::fs::read(golden("version1.npy"))?;
    assert_eq!(npy::to_bytes(&Tensor::from([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]))?, written);
    Ok(())
}

#[test]
fn a_transposed_tensor_is_written_as_it_lies_in_memory() -> Result<()> {
    let x = Tensor::from([[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]).t();
    assert_eq!(npy::to_bytes(&x)?, std::fs::read(golden("fortran.npy"))?);
    Ok(())
}

#[cfg(feature = "npz")]
mod archives {
    use std::collections::BTreeMap;

    use retrograd::io::npz;
    use retrograd::{Result, Tensor};

    use super::{bits, golden, known};
    use crate::folder::folder;

    #[track_caller]
    fn assert_known(arrays: &BTreeMap<String, Tensor>) {
        assert!(arrays.keys().eq(known().keys()), "{arrays:?}");
        for (name, want) in known() {
            assert_eq!(bits(&arrays[&name]), bits(&want), "{name}");
        }
    }

    #[test]
    fn what_numpy_saved_is_read() -> Result<()> {
        assert_known(&npz::read(golden("arrays.npz"))?);
        assert_known(&npz::read(golden("compressed.npz"))?);
        Ok(())
    }

    #[test]
    fn arrays_are_read_as_they_were_written() -> Result<()> {
        let folder = folder("archives");
        npz::write(folder.join("x.npz"), &known())?;
        assert_known(&npz::read(folder.join("x.npz"))?);
        assert_known(&npz::from_bytes(&npz::to_bytes(&known())?)?);
        npz::write_compressed(folder.join("x.npz"), &known())?;
        assert_known(&npz::read(folder.join("x.npz"))?);
        Ok(())
    }

    #[test]
    fn compression_makes_a_file_of_like_elements_small() -> Result<()> {
        let path = folder("small").join("x.npz");
        npz::write_compressed(&path, &vec![Tensor::zeros([10_000]), Tensor::ones([10_000])])?;
        let bytes = std::fs::metadata(&path)?.len();
        assert!(bytes < 2_000, "{bytes}");
        let arrays = npz::read(&path)?;
        assert_eq!(arrays["1"].to_vec::<f32>()?, [1.0; 10_000]);
        Ok(())
    }
}
