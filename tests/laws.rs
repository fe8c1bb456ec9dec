//! Every primitive against every law: its trace, the reference interpreter, layouts, vmap, first and second
//! derivatives in both modes, both precisions. The rows are in `src/ops/samples/`, the laws in `src/check.rs`; that
//! the rows reach every primitive, and every public operation has one, is held by `xtask/src/operations.rs`.

use retrograd::check;

#[test]
fn every_primitive_obeys_every_law() {
    let broken: Vec<String> = check::rows()
        .iter()
        .filter_map(|row| row.check().err().map(|error| format!("{row:?}: {error}")))
        .collect();
    assert!(broken.is_empty(), "{} rows break a law:\n{}", broken.len(), broken.join("\n"));
}
