//! Wrong calls beside what they are told.

macro_rules! table {
    ($($call:expr => $message:expr;)*) => {
        let rows = [$((crate::said(&$call), String::from($message))),*];
        let wrong: Vec<_> = rows.iter().filter(|(got, expected)| got != expected).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    };
}
