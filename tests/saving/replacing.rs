//! A file is replaced whole or not at all.

use std::fs;
use std::sync::Barrier;

use retrograd::{Result, Tensor, io, vmap};

use crate::folder::{files, folder};

const NAME: &str = "x.safetensors";

#[test]
fn a_saved_file_is_alone_in_its_folder() -> Result<()> {
    let folder = folder("alone");
    for i in 0..3 {
        io::save(folder.join(NAME), &Tensor::full([3], i))?;
        io::npy::write(folder.join("x.npy"), &Tensor::full([3], i))?;
    }
    assert_eq!(files(&folder), ["x.npy", NAME]);
    assert_eq!(io::load(folder.join(NAME), &Tensor::zeros([3]))?.to_vec::<f32>()?, [2.0; 3]);
    Ok(())
}

#[test]
fn a_writer_that_fails_leaves_the_old_file_and_nothing_else() -> Result<()> {
    let folder = folder("fails");
    let path = folder.join(NAME);
    io::save(&path, &[Tensor::ones([3]), Tensor::ones([2])])?;
    let old = fs::read(&path)?;
    // It fails when the header and the first leaf have been written: a batched tensor has no value.
    let failing = |x: &Tensor| {
        let error = io::save(&path, &(Tensor::ones([100_000]), x.clone())).expect_err("has no value");
        assert!(error.to_string().contains("vmap"), "{error}");
        x.clone()
    };
    let _ = vmap(failing).call(&Tensor::ones([2]), ())?;
    let invalid = Tensor::ones([2]).matmul(&Tensor::ones([3]));
    assert!(io::save(&path, &[Tensor::ones([3]), invalid]).is_err());
    assert_eq!(fs::read(&path)?, old);
    assert_eq!(files(&folder), [NAME]);
    Ok(())
}

#[test]
fn a_folder_is_not_replaced() -> Result<()> {
    let folder = folder("is_a_folder");
    fs::create_dir(folder.join(NAME))?;
    fs::write(folder.join(NAME).join("inside"), "kept")?;
    let error = io::save(folder.join(NAME), &Tensor::ones([1])).expect_err("a folder");
    assert!(error.to_string().contains("it is a folder"), "{error}");
    assert_eq!(files(&folder), [NAME]);
    assert_eq!(fs::read_to_string(folder.join(NAME).join("inside"))?, "kept");
    Ok(())
}

#[test]
fn a_folder_that_is_gone_is_an_error() {
    let folder = folder("gone");
    fs::remove_dir(&folder).expect("is empty");
    let error = io::save(folder.join(NAME), &Tensor::ones([1])).expect_err("no such folder");
    assert!(error.to_string().starts_with("save: cannot write `"), "{error}");
    assert!(std::error::Error::source(&error).is_some_and(|e| e.is::<std::io::Error>()));
    assert!(!folder.exists());
}

#[test]
fn a_file_that_is_read_only_stays() -> Result<()> {
    let path = folder("read_only").join(NAME);
    io::save(&path, &Tensor::ones([1]))?;
    let old = fs::metadata(&path)?.permissions();
    let mut read_only = old.clone();
    read_only.set_readonly(true);
    fs::set_permissions(&path, read_only)?;
    let error = io::save(&path, &Tensor::zeros([1])).expect_err("read-only");
    assert!(error.to_string().contains("it is read-only"), "{error}");
    fs::set_permissions(&path, old)?;
    assert_eq!(io::load(&path, &Tensor::zeros([1]))?.item::<f32>()?, 1.0);
    Ok(())
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_permissions_kept() -> Result<()> {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = folder("links");
    let (path, link) = (folder.join(NAME), folder.join("link"));
    io::save(&path, &Tensor::ones([1]))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    symlink(&path, &link)?;
    io::save(&link, &Tensor::zeros([1]))?;
    assert!(fs::symlink_metadata(&link)?.is_symlink());
    assert_eq!(io::load(&path, &Tensor::zeros([1]))?.item::<f32>()?, 0.0);
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o640);
    Ok(())
}

#[test]
fn readers_see_one_of_the_files_that_many_threads_write() -> Result<()> {
    let folder = folder("threads_write");
    let path = folder.join(NAME);
    io::save(&path, &Tensor::full([5_000], 0))?;
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        for i in 1..4 {
            let (start, path) = (&start, &path);
            scope.spawn(move || {
                start.wait();
                (0..5).for_each(|_| io::save(path, &Tensor::full([5_000], i)).expect("can be written"));
            });
        }
        start.wait();
        for _ in 0..20 {
            let values = io::load(&path, &Tensor::zeros([5_000]))?.to_vec::<f32>()?;
            assert!(values.iter().all(|value| *value == values[0]), "a mixture");
        }
        Ok::<(), retrograd::Error>(())
    })?;
    assert_eq!(files(&folder), [NAME]);
    Ok(())
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_replaced_by_one() -> Result<()> {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let folder = folder("no_file");
    let socket = folder.join("socket");
    let _bound = std::os::unix::net::UnixListener::bind(&socket)?;
    let error = io::save(&socket, &Tensor::ones([1])).expect_err("a socket");
    assert!(error.to_string().contains("it is no regular file"), "{error}");
    assert!(fs::symlink_metadata(&socket)?.file_type().is_socket());
    // A link to a file that is not there yet makes that file, and stays a link.
    let link = folder.join("link");
    symlink("later", &link)?;
    io::save(&link, &Tensor::ones([1]))?;
    assert!(fs::symlink_metadata(&link)?.is_symlink());
    assert_eq!(io::load(folder.join("later"), &Tensor::zeros([1]))?.item::<f32>()?, 1.0);
    Ok(())
}

#[test]
fn a_name_may_be_as_long_as_the_system_allows() -> Result<()> {
    let path = folder("long").join("n".repeat(250));
    io::save(&path, &Tensor::ones([1]))?;
    assert_eq!(io::load(&path, &Tensor::zeros([1]))?.item::<f32>()?, 1.0);
    Ok(())
}
