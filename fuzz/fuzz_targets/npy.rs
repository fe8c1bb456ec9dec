//! Any bytes are an error or a tensor, and a tensor that was read is written and read again to the bit.

#![no_main]

use libfuzzer_sys::fuzz_target;
use retrograd::io::npy;

fuzz_target!(|input: &[u8]| {
    let Ok(x) = npy::from_bytes(input) else { return };
    let bytes = npy::to_bytes(&x).expect("it was in a file");
    let again = npy::from_bytes(&bytes).expect("it was written just now");
    assert_eq!(again.shape(), x.shape());
    assert_eq!(bytes, npy::to_bytes(&again).expect("it was in a file"));
});
